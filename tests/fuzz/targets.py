"""What the fuzzer does with its bytes: one function a door, which raises where something is wrong.

Wrong is every exception but InvalidInput and Refused, a stack that does not survive being rendered and loaded again, and an accepted
container that has what none may have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from spin.compose import load, lower, render
from spin.engines.docker.containers import create_body
from spin.errors import InvalidInput, Refused
from spin.kit.canonical import canonical_json
from spin.model.finding import Severity
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.stack import Image, StackSpec
from spin.model.steps import Create
from spin.model.submission import Submission
from spin.plan.routes import hosts_of
from spin.policy import apply_defaults, audit
from spin.site import Site

SITE = Site(id="t-fuzz")
KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))
VARIABLES = {"SPIN_REGISTRY": SITE.registry_host, "SPIN_PROJECT": "lab", "A": "a", "EMPTY": ""}
DIGEST = "sha256:" + "a" * 64
FILES: Mapping[str, bytes] = {"e": b"A=1\nB=${A:-x}\n", "c": b"content", ".env": b"A=2\n"}


class Words(Protocol):
    """As atheris.FuzzedDataProvider."""

    def ConsumeIntInRange(self, low: int, high: int) -> int: ...  # noqa: N802 - atheris's names
    def ConsumeUnicode(self, count: int) -> str: ...  # noqa: N802
    def ConsumeFloat(self) -> float: ...  # noqa: N802
    def remaining_bytes(self) -> int: ...


def read(path: str) -> bytes:
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", path)
    return FILES[path]


def text_target(data: bytes) -> None:
    """As a file at the workstation: text, loaded, lowered, audited, rendered, loaded again."""
    text = data.decode("utf-8", "replace")
    try:
        submission = load([("compose.yaml", text)], VARIABLES, read)
    except InvalidInput as error:
        canonical_json(error.fields).encode()
        error.message.encode()
        return
    judge(submission)


def document_target(words: Words) -> None:
    """As a document that a client of one's own sends: any JSON value in any place."""
    judge(Submission({"services": {"web": mapping(words, 0, SERVICE)}, **mapping(words, 1, TOP)}))


def judge(submission: Submission) -> None:
    try:
        spec = lower(submission, stack=KEY.stack, registry_host=SITE.registry_host, project=KEY.project)
        findings = audit(submission, spec, SITE)
    except (InvalidInput, Refused) as error:
        error.message.encode()
        return
    canonical_json(findings).encode()
    if any(f.severity is Severity.REFUSE for f in findings):
        return
    accepted(apply_defaults(spec, SITE))
    survives(spec)


def accepted(spec: StackSpec) -> None:
    """What runs is harmless."""
    networks = {n.name: n.name for n in spec.networks}
    for service in spec.services:
        pinned = type(service)(**{**_fields(service), "image": Image(service.image.reference, service.image.digest or DIGEST)})
        files = {g.target: f"/files/{g.source}" for g in (*service.configs, *service.secrets)}
        step = Create(pinned, "0" * 64, slot=1, attempt=1, cause="")
        body = create_body(SITE, KEY, step, networks=networks, files=files, api=(1, 41), cpus=4)
        json.dumps(body).encode()
        host = body["HostConfig"]
        _must(host["CapDrop"] == ["ALL"] and not host["Privileged"], "privileges")
        _must(0 < host["PidsLimit"] <= SITE.limits.most_pids, "processes")
        _must(0 < host["Memory"] <= SITE.limits.most_memory_bytes, "memory")
        for mount in host["Mounts"]:
            _must(mount["Type"] != "bind" or mount["Source"].startswith("/files/"), "a path of the host")
        for name in hosts_of(KEY, service, SITE.domain):
            _must(name.isascii() and not set(name) & set("{}*/ \t\r\n\"'"), "a host name")
        for entry in (*body["Env"], *body["Labels"], *body["Labels"].values()):
            _must("\0" not in entry, "a NUL")


def survives(spec: StackSpec) -> None:
    """What is rendered loads as the same stack."""
    text = render(spec)
    again = load([("compose.yaml", text)], {}, lambda _: b"secret")
    same = lower(again, stack=KEY.stack, registry_host=SITE.registry_host, project=KEY.project)
    _must(canonical_json(same) == canonical_json(spec), "render and load")


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


# ---- Documents of random shape ---------------------------------------------------------------------------------------------

TOP = ("networks", "volumes", "configs", "secrets", "name", "x-spin", "include", "models", "version")
_SERVICE = (
    "image build command entrypoint environment labels ports expose volumes tmpfs secrets configs networks depends_on healthcheck "
    "deploy restart scale user group_add cap_add cap_drop read_only init working_dir hostname stop_signal stop_grace_period x-spin "
    "privileged network_mode pid devices security_opt sysctls ulimits shm_size extra_hosts dns env_file extends profiles logging"
)
_INNER = (
    "test interval timeout retries start_period disable limits reservations cpus memory pids resources replicas update_config order "
    "parallelism source target published protocol mode host_ip type read_only volume tmpfs size nocopy aliases internal external file "
    "content uid gid condition required http hosts confirm_after driver driver_opts a web default"
)
SERVICE, INNER = _SERVICE.split(), _INNER.split()
TEXTS = (
    "", "a", "web", "localhost:5000/lab/web:1", "nginx:1", "80", "8080:80", "8080-8082:80-82/udp", "v:/data", "./x:/y", "/etc:/e", "10s",
    "512m", "1.5", "true", "no", "0644", "a.example.org", "CHOWN", "SYS_ADMIN", "unless-stopped", "on-failure:3", "CMD", "NONE", "K=v",
    "spin.site=x", "1000:1000", "SIGTERM", "service_healthy", "/t:size=1m", "\0", "\n", "${A}", "*", "..", "default",
)  # fmt: skip


def value(words: Words, depth: int) -> Any:
    kind = words.ConsumeIntInRange(0, 9) if words.remaining_bytes() else 9
    makers: dict[int, Callable[[], Any]] = {
        0: lambda: TEXTS[words.ConsumeIntInRange(0, len(TEXTS) - 1)],
        1: lambda: TEXTS[words.ConsumeIntInRange(0, len(TEXTS) - 1)],
        2: lambda: words.ConsumeUnicode(words.ConsumeIntInRange(0, 40)),
        3: lambda: words.ConsumeIntInRange(-(2**63), 2**63 - 1),
        4: lambda: words.ConsumeIntInRange(0, 100),
        5: words.ConsumeFloat,
        6: lambda: bool(words.ConsumeIntInRange(0, 1)),
        7: lambda: [value(words, depth + 1) for _ in range(words.ConsumeIntInRange(0, 4))],
        8: lambda: mapping(words, depth + 1, INNER),
    }
    if depth > 6 and kind in (7, 8):
        return None
    return makers.get(kind, lambda: None)()


def mapping(words: Words, depth: int, keys: tuple[str, ...] | list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if depth == 0:
        found["image"] = "localhost:5000/lab/web:1"
    for _ in range(words.ConsumeIntInRange(0, 5)):
        choice = words.ConsumeIntInRange(0, len(keys))
        key = keys[choice] if choice < len(keys) else words.ConsumeUnicode(words.ConsumeIntInRange(0, 12))
        found[key] = value(words, depth + 1)
    return found
