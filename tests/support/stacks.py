"""Hypothesis strategies: any StackSpec that a Compose file can come to, and hostile documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from spin.errors import InvalidInput
from spin.model.names import host_label
from spin.model.stack import (
    IMAGES_OWN,
    Attachment,
    Bind,
    Condition,
    Config,
    Dependency,
    FailureAction,
    Grant,
    Healthcheck,
    Http,
    Image,
    Mount,
    Network,
    Overlap,
    Port,
    Protocol,
    Resolver,
    Resources,
    Restart,
    Schedule,
    SecretRef,
    ServiceSpec,
    StackSpec,
    Tmpfs,
    Ulimit,
    Update,
    UpdateOrder,
    Volume,
)
from spin.policy.keys import SERVICE

T = TypeVar("T")


def outcome(work: Callable[[], T]) -> T | InvalidInput:
    """What `work` gives, or the InvalidInput that it raises."""
    try:
        return work()
    except InvalidInput as error:
        return error


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}(?:[._-][a-z0-9]{1,4})?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t$'\"\\:#{}"), max_size=20)
KEYS = st.from_regex(r"[A-Za-z_.$-][A-Za-z0-9_.$ -]{0,8}[A-Za-z0-9]", fullmatch=True)
PATHS = st.from_regex(r"(?:/[a-z0-9_.]{0,3}[a-z0-9]){1,3}", fullmatch=True)
MS = st.integers(0, 10**7)


def _pairs(most: int = 3) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.dictionaries(KEYS, TEXTS, max_size=most).map(lambda d: tuple(sorted(d.items())))


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _sorted(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most, unique=True).map(lambda found: tuple(sorted(found)))


images = st.builds(
    Image,
    st.sampled_from(
        ["docker.io/library/nginx:1.27", "localhost:5000/team/web:1", "ghcr.io/a/b/c:latest", "docker.io/a__b/c-d:x_Y"]
    ),
    _maybe(st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)),
)
arguments = _maybe(st.lists(TEXTS, max_size=3).map(tuple))
tests = st.one_of(
    st.just(("NONE",)),
    TEXTS.map(lambda text: ("CMD-SHELL", text)),
    st.lists(TEXTS, min_size=1, max_size=3).map(lambda found: ("CMD", *found)),
)
healthchecks = st.one_of(
    st.builds(
        Healthcheck, tests, st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 99), MS, _maybe(st.integers(1, 10**6))
    ),
    st.builds(Healthcheck, st.just(()), MS, MS, st.integers(0, 99), MS).filter(lambda check: check != IMAGES_OWN),
)
ports = st.builds(
    Port, st.integers(1, 65535), st.integers(1, 65535).filter(lambda p: p not in (80, 443)), st.sampled_from(Protocol)
)
cpus = st.floats(0.01, 64).map(lambda number: round(number, 3))
limits = st.builds(Resources, _maybe(cpus), _maybe(st.integers(6 * 1024**2, 2**50)), _maybe(st.integers(1, 10**6)))
updates = st.builds(
    Update,
    st.integers(0, 30),
    MS,
    _maybe(st.sampled_from(FailureAction)),
    MS,
    st.floats(0, 1),
    _maybe(st.sampled_from(UpdateOrder)),
)


@st.composite
def _resources(draw: st.DrawFn) -> Resources:
    found = draw(limits)
    cpus_most, memory_most = found.cpus or 64.0, found.memory_bytes or 2**50
    return replace(
        found,
        reserved_cpus=draw(_maybe(cpus.filter(lambda number: number <= cpus_most))) if cpus_most > 1 else None,
        reserved_memory_bytes=draw(_maybe(st.integers(6 * 1024**2, memory_most))),
    )


def _tmpfs(target: str) -> st.SearchStrategy[tuple[Tmpfs, ...]]:
    some = st.builds(Tmpfs, st.just(target), _maybe(st.integers(1, 2**40)), _maybe(st.integers(0, 0o7777)))
    return st.just(()) | some.map(lambda found: (found,))


_ulimits = st.builds(
    lambda name, soft, more: Ulimit(name, soft, -1 if more is None else soft + more),
    st.sampled_from(["core", "memlock", "nofile", "nproc"]),
    st.integers(0, 10**6),
    _maybe(st.integers(0, 10**6)),
)
_hosts = st.tuples(
    st.sampled_from(["a.example.org", "b", "c"]),
    st.sampled_from(["192.0.2.7", "2001:db8::7", "127.0.0.1", "host-gateway"]),
)
_kernel = st.fixed_dictionaries(
    {
        "tty": st.booleans(),
        "stdin_open": st.booleans(),
        "domainname": _maybe(st.sampled_from(["example.org", "lab"])),
        "shm_bytes": _maybe(st.integers(4096, 2**40)),
        "ulimits": st.lists(_ulimits, max_size=2, unique_by=lambda u: u.name).map(
            lambda found: tuple(sorted(found, key=lambda u: u.name))
        ),
        "sysctls": st.dictionaries(st.sampled_from(["net.core.somaxconn", "vm.x"]), st.sampled_from(["1", "1 2"])).map(
            lambda found: tuple(sorted(found.items()))
        ),
        "extra_hosts": _sorted(_hosts),
        "dns": st.builds(
            Resolver,
            st.lists(st.sampled_from(["192.0.2.53", "::1"]), max_size=2, unique=True).map(tuple),
            st.lists(st.sampled_from(["example.org", "."]), max_size=2, unique=True).map(tuple),
            st.lists(st.sampled_from(["ndots:2", "use-vc"]), max_size=2, unique=True).map(tuple),
        ),
        "platform": _maybe(st.sampled_from(["linux/amd64", "linux/arm64/v8", "linux"])),
    }
)


schedules = st.builds(
    Schedule,
    st.sampled_from(["15 3 * * *", "*/5 * * * mon-fri", "0 0 L * *"]),
    st.sampled_from(Overlap),
    _maybe(st.integers(1000, 10**7)),
    st.integers(0, 20),
)


@st.composite
def _service(draw: st.DrawFn, name: str, earlier: list[str], names: dict[str, list[str]], published: list[Port]) -> ServiceSpec:
    """A service that depends only on `earlier` ones, so that there is no cycle."""
    targets = iter(draw(st.lists(PATHS, min_size=9, max_size=9, unique=True)))

    def some(kind: str, most: int = 2) -> list[str]:
        return draw(st.lists(st.sampled_from(names[kind]), max_size=most, unique=True)) if names[kind] else []

    grants = [
        tuple(
            Grant(source, next(targets), draw(st.integers(0, 9999)), draw(st.integers(0, 9999)), draw(st.integers(0, 0o7777)))
            for source in some(kind)
        )
        for kind in ("secrets", "configs")
    ]
    restart = draw(st.sampled_from(Restart))
    http = draw(_maybe(st.builds(Http, st.integers(1, 65535), _sorted(st.just(f"{host_label(name)}.example.org"), 1))))
    return ServiceSpec(
        name=name,
        image=draw(images),
        command=draw(arguments),
        entrypoint=draw(arguments),
        environment=draw(_pairs()),
        labels=draw(_pairs()),
        user=draw(_maybe(st.sampled_from(["0", "1000", "46311:75137", "www-data:adm"]))),
        group_add=draw(_sorted(st.sampled_from(["100", "nginx"]))),
        cap_add=draw(_sorted(st.sampled_from(["CHOWN", "KILL", "SYS_ADMIN"]))),
        read_only=draw(st.booleans()),
        init=draw(st.booleans()),
        working_dir=draw(_maybe(PATHS)),
        hostname=draw(_maybe(st.sampled_from(["a", "DB-1.internal"]))),
        stop_signal=draw(_maybe(st.sampled_from(["SIGTERM", "15", "SIGRTMIN+3"]))),
        stop_grace_ms=draw(MS),
        restart=restart,
        restart_limit=draw(st.integers(0, 9)) if restart is Restart.ON_FAILURE else 0,
        healthcheck=draw(_maybe(healthchecks)),
        ports=tuple(p for p in published if draw(st.booleans())),
        expose=draw(_sorted(st.integers(1, 65535))),
        http=http,
        mounts=tuple(
            sorted(
                (Mount(v, next(targets), draw(st.booleans()), draw(st.booleans())) for v in some("volumes")),
                key=lambda m: m.target,
            )
        ),
        tmpfs=draw(_tmpfs(next(targets))),
        secrets=tuple(sorted(grants[0], key=lambda g: g.target)),
        configs=tuple(sorted(grants[1], key=lambda g: g.target)),
        networks=tuple(Attachment(n, draw(_sorted(NAMES, 2))) for n in sorted(some("networks")))
        or draw(st.sampled_from([(Attachment("default"),), (), (Attachment("default", ("other",)),)])),
        depends_on=tuple(
            Dependency(other, draw(st.sampled_from(Condition)), draw(st.booleans()))
            for other in sorted(draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else [])
        ),
        resources=draw(_resources()),
        replicas=draw(st.integers(0, 30)),
        update=draw(updates),
        retain_ip=draw(st.booleans()),
        schedule=draw(_maybe(schedules)),
        binds=tuple(Bind(draw(PATHS), next(targets), draw(st.booleans())) for _ in range(draw(st.integers(0, 1)))),
        **draw(_kernel),
    )


_tags = st.dictionaries(
    st.sampled_from(["owner", "staff_owner", "requires"]), st.text("aé: #-'\"", min_size=1, max_size=9).filter(str.strip)
).map(lambda tags: tuple(sorted(tags.items())))


@st.composite
def stack_specs(draw: st.DrawFn, stack: str = "shop") -> StackSpec:
    """A StackSpec as lowering makes them: sorted, and everything in it used."""
    services = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=host_label))
    names = {kind: draw(st.lists(NAMES, max_size=2, unique=True)) for kind in ("networks", "volumes", "configs", "secrets")}
    published = draw(st.lists(ports, max_size=3, unique_by=lambda p: (p.published, p.protocol)))
    published.sort(key=lambda p: (p.published, p.protocol.value))
    specs: list[ServiceSpec] = []
    for name in services:
        taken = {p for s in specs for p in s.ports}
        specs.append(draw(_service(name, [s.name for s in specs], names, [p for p in published if p not in taken])))
    return StackSpec(
        services=tuple(sorted(specs, key=lambda s: s.name)),
        networks=tuple(
            Network(n, draw(st.booleans()), draw(_pairs(1))) for n in sorted({a.network for s in specs for a in s.networks})
        ),
        volumes=tuple(Volume(v, draw(_pairs(1))) for v in sorted({m.volume for s in specs for m in s.mounts})),
        configs=tuple(
            Config(c, draw(st.binary(max_size=9) | TEXTS.map(str.encode)))
            for c in sorted({g.source for s in specs for g in s.configs})
        ),
        secrets=tuple(_secret(name, stack, draw(st.booleans())) for name in sorted({g.source for s in specs for g in s.secrets})),
        confirm_after_ms=draw(_maybe(st.integers(1, 10**7))),
        tags=draw(_tags),
    )


def _secret(name: str, stack: str, external: bool) -> SecretRef:
    if external:
        return SecretRef(name, f"other.{name}", external=True)
    return SecretRef(name, name if name.startswith(f"{stack}.") else f"{stack}.{name}")


_KEYS = [
    *(SERVICE.keys or {}),
    *("test", "interval", "retries", "condition", "required", "source", "target", "mode", "uid", "type", "published", "protocol"),
    *("replicas", "resources", "limits", "memory", "cpus", "http", "hosts", "aliases", "internal", "external", "name", "file"),
    *("update_config", "rollback_config", "parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"),
    *("confirm_after", "content", "a", "b"),
]
_WORDS = [
    *(
        "a",
        "b",
        "nginx:1",
        "80:8080",
        "8080",
        "data:/x",
        "./x:/y",
        "/x",
        "10s",
        "512m",
        "service_healthy",
        "$V",
        "1e9",
        "true",
        "no",
    ),
    *(
        "tmpfs",
        "volume",
        "bind",
        "CMD",
        "0440",
        "\x00",
        "\ud800",
        "\u202e",
        "a" * 300,
        "9" * 50,
        "-1",
        "1-65535",
        "a.example.org",
    ),
]
_json_scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 1, 80, 8080, 10**30, -(10**400), 2**63])
    | st.floats()
    | st.sampled_from(_WORDS)
    | st.text(max_size=5)
)
_json_keys = st.sampled_from(_KEYS) | st.text(max_size=3)
json_values: st.SearchStrategy[Any] = st.recursive(
    _json_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_json_keys, inner, max_size=4), max_leaves=12
)
"""Any JSON, much of it nearly right."""

_hostile_service = st.dictionaries(_json_keys, json_values, max_size=5).map(lambda keys: {"image": "nginx:1", **keys})
_sections = st.dictionaries(st.sampled_from(["a", "b", "data", "default"]), json_values, max_size=2)
hostile_documents = json_values | st.fixed_dictionaries(
    {"services": st.dictionaries(st.sampled_from(["a", "b", "c.d"]), _hostile_service, min_size=1, max_size=2)},
    optional={
        "x-spin": json_values,
        "networks": _sections,
        "volumes": _sections,
        "configs": _sections,
        "secrets": _sections,
        "name": json_values,
    },
)
"""Documents that a stranger may send in the place of a Compose file."""
