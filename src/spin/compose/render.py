"""A StackSpec as Compose YAML that loads again to the same StackSpec. Written here, not by a YAML library, so that equal stacks
give equal texts whatever library is installed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spin.compose.attached import DEFAULT_NETWORK
from spin.compose.scalars import resolve
from spin.model.stack import (
    Attachment,
    Bind,
    Config,
    Dependency,
    Grant,
    Healthcheck,
    Image,
    Mount,
    Network,
    Port,
    Resources,
    Restart,
    Schedule,
    SecretRef,
    ServiceSpec,
    StackSpec,
    Tmpfs,
    Update,
    Volume,
)

_PLAIN = re.compile(r"(?:\./|/|[A-Za-z])[A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*|[0-9]+(?:ms|s)", re.ASCII)
_EMITTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class _Binary(bytes):
    """Data that is no text."""


class _Flow(tuple[str, ...]):
    """A list that reads best on one line."""

    __slots__ = ()


def render(spec: StackSpec, *, external_secrets: bool = False) -> str:
    """Compose YAML of `spec`, images with their digests.

    Values of secrets are not in it: each is `file: ./secrets/NAME`, or with `external_secrets` a secret that is stored already.
    """
    document: dict[str, Any] = {}
    extension = {
        "confirm_after": None if spec.confirm_after_ms is None else _duration(spec.confirm_after_ms),
        "tags": dict(spec.tags) or None,
    }
    if any(extension.values()):
        document["x-spin"] = {key: value for key, value in extension.items() if value is not None}
    document["services"] = {s.name: _service(s) for s in spec.services}
    sections: dict[str, dict[str, Any]] = {
        "networks": {n.name: _network(n) for n in spec.networks if n != Network(DEFAULT_NETWORK)},
        "volumes": {v.name: _volume(v) for v in spec.volumes},
        "configs": {c.name: _config(c) for c in spec.configs},
        "secrets": {s.name: _secret(s, external=external_secrets or s.external) for s in spec.secrets},
    }
    document |= {key: entries for key, entries in sections.items() if entries}
    return "\n".join(_lines(document, 0)) + "\n"


def _service(s: ServiceSpec) -> dict[str, Any]:
    written: dict[str, Any] = {
        "image": _image(s.image),
        "command": None if s.command is None else _Flow(s.command),
        "entrypoint": None if s.entrypoint is None else _Flow(s.entrypoint),
        "environment": dict(s.environment) or None,
        "labels": dict(s.labels) or None,
        "user": s.user,
        "group_add": s.group_add or None,
        "cap_add": s.cap_add or None,
        "read_only": s.read_only or None,
        "init": s.init or None,
        "working_dir": s.working_dir,
        "hostname": s.hostname,
        "stop_signal": s.stop_signal,
        "stop_grace_period": _duration(s.stop_grace_ms),
        "restart": s.restart.value + (f":{s.restart_limit}" if s.restart is Restart.ON_FAILURE and s.restart_limit else ""),
        "healthcheck": _healthcheck(s.healthcheck) if s.healthcheck else None,
        "ports": [_port(p) for p in s.ports] or None,
        "expose": s.expose or None,
        "x-spin": _extension(s) or None,
        "volumes": [*map(_mount, s.mounts), *map(_bind, s.binds)] or None,
        "tmpfs": [_tmpfs(t) for t in s.tmpfs] or None,
        "secrets": [_grant(g) for g in s.secrets] or None,
        "configs": [_grant(g) for g in s.configs] or None,
        "networks": _networks(s.networks),
        "network_mode": None if s.networks else "none",
        "depends_on": {d.service: _dependency(d) for d in s.depends_on} or None,
        "retain_ip": s.retain_ip or None,
        "tty": s.tty or None,
        "stdin_open": s.stdin_open or None,
        "domainname": s.domainname,
        "shm_size": s.shm_bytes,
        "ulimits": {u.name: u.hard if u.soft == u.hard else {"soft": u.soft, "hard": u.hard} for u in s.ulimits} or None,
        "sysctls": dict(s.sysctls) or None,
        "extra_hosts": [f"{name}={address}" for name, address in s.extra_hosts] or None,
        "dns": s.dns.servers or None,
        "dns_search": s.dns.search or None,
        "dns_opt": s.dns.options or None,
        "platform": s.platform,
        "deploy": _deploy(s),
    }
    return {key: value for key, value in written.items() if value is not None}


def _extension(s: ServiceSpec) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if s.http is not None:
        written |= {"http": s.http.port} | ({"hosts": s.http.hosts} if s.http.hosts else {})
    if s.schedule is not None:
        usual = Schedule("")
        written["schedule"] = s.schedule.times
        written |= {"overlap": s.schedule.overlap.value} if s.schedule.overlap is not usual.overlap else {}
        written |= {"timeout": _duration(s.schedule.timeout_ms)} if s.schedule.timeout_ms is not None else {}
        written |= {"keep": s.schedule.keep} if s.schedule.keep != usual.keep else {}
    return written


def _image(image: Image) -> str:
    return image.reference + (f"@{image.digest}" if image.digest else "")


def _healthcheck(h: Healthcheck) -> dict[str, Any]:
    said = {"interval": h.interval_ms, "timeout": h.timeout_ms}
    written: dict[str, Any] = {"test": _Flow(h.test)} if h.test else {}
    written |= {name: _duration(value) for name, value in said.items() if value}
    written |= {"retries": h.retries} if h.retries else {}
    if h.start_period_ms:
        written["start_period"] = _duration(h.start_period_ms)
    return written if h.start_interval_ms is None else {**written, "start_interval": _duration(h.start_interval_ms)}


def _duration(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _dependency(d: Dependency) -> dict[str, Any]:
    written: dict[str, Any] = {"condition": d.condition.value}
    return written if d.required else {**written, "required": False}


def _port(p: Port) -> str:
    return f"{p.published}:{p.target}/{p.protocol.value}"


def _mount(m: Mount) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "volume", "source": m.volume, "target": m.target}
    if m.read_only:
        written["read_only"] = True
    return {**written, "volume": {"nocopy": True}} if m.nocopy else written


def _bind(b: Bind) -> dict[str, Any]:
    written: dict[str, Any] = {"type": "bind", "source": b.source, "target": b.target}
    return {**written, "read_only": True} if b.read_only else written


def _tmpfs(t: Tmpfs) -> str:
    options = [f"size={t.size_bytes}"] if t.size_bytes is not None else []
    options += [f"mode={t.mode:o}"] if t.mode is not None else []
    options += [f"{name}={number}" for name, number in (("uid", t.uid), ("gid", t.gid)) if number is not None]
    options += ["exec"] if t.executable else []
    return t.target + (":" + ",".join(options) if options else "")


def _grant(g: Grant) -> dict[str, Any]:
    written: dict[str, Any] = {"source": g.source, "target": g.target}
    if g.uid or g.gid:
        written |= {"uid": str(g.uid), "gid": str(g.gid)}
    return written if g.mode == Grant("", "").mode else {**written, "mode": f"{g.mode:04o}"}


def _networks(joined: tuple[Attachment, ...]) -> dict[str, Any] | None:
    if joined == (Attachment(DEFAULT_NETWORK),):
        return None
    return {a.network: {"aliases": a.aliases} if a.aliases else None for a in joined} or None


def _deploy(s: ServiceSpec) -> dict[str, Any] | None:
    written = {
        "replicas": s.replicas if s.replicas != 1 else None,
        "update_config": _update(s.update) or None,
        "resources": _resources(s.resources) or None,
    }
    return {key: value for key, value in written.items() if value is not None} or None


def _update(u: Update) -> dict[str, Any]:
    """What differs from Compose's defaults."""
    usual = Update()
    written = {
        "parallelism": u.parallelism if u.parallelism != usual.parallelism else None,
        "delay": _duration(u.delay_ms) if u.delay_ms else None,
        "failure_action": u.failure_action.value if u.failure_action else None,
        "monitor": _duration(u.monitor_ms) if u.monitor_ms else None,
        "max_failure_ratio": u.max_failure_ratio or None,
        "order": u.order.value if u.order else None,
    }
    return {key: value for key, value in written.items() if value is not None}


def _resources(r: Resources) -> dict[str, Any]:
    limits = {"cpus": _cpus(r.cpus), "memory": r.memory_bytes, "pids": r.pids}
    reservations = {"cpus": _cpus(r.reserved_cpus), "memory": r.reserved_memory_bytes}
    return {
        name: given
        for name, values in (("limits", limits), ("reservations", reservations))
        if (given := {key: value for key, value in values.items() if value is not None})
    }


def _cpus(cpus: float | None) -> str | None:
    return None if cpus is None else str(cpus)


def _network(n: Network) -> dict[str, Any] | None:
    written: dict[str, Any] = {"internal": True} if n.internal else {}
    return {**written, "labels": dict(n.labels)} if n.labels else written or None


def _volume(v: Volume) -> dict[str, Any] | None:
    return {"labels": dict(v.labels)} if v.labels else None


def _config(c: Config) -> dict[str, Any]:
    try:
        text = c.content.decode()
    except UnicodeDecodeError:
        return {"content": _Binary(c.content)}
    return {"content": _Binary(c.content) if _EMITTED.search(text.replace("\n", "").replace("\t", "")) else text}


def _secret(s: SecretRef, *, external: bool) -> dict[str, Any]:
    return {"external": True, "name": s.stored} if external else {"file": f"./secrets/{s.name}"}


# The text.


def _lines(value: Any, depth: int) -> list[str]:
    """A mapping or a list in block style."""
    indent = "  " * depth
    found: list[str] = []
    if isinstance(value, Mapping):
        for key, child in value.items():
            if _is_block(child):
                found.append(f"{indent}{_text(key)}:")
                found += _lines(child, depth + 1)
            else:
                found.append(f"{indent}{_text(key)}: {_scalar(child)}".rstrip())
        return found
    for child in value:
        if _is_block(child):
            first, *rest = _lines(child, depth + 1)
            found += [f"{indent}- {first.lstrip()}", *rest]
        else:
            found.append(f"{indent}- {_scalar(child)}")
    return found


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str | bytes | _Flow) and bool(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, _Binary):
        return f'!!binary "{base64.b64encode(value).decode()}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _text(value.replace("$", "$$"))
    if isinstance(value, _Flow):
        return "[" + ", ".join(_quoted(word.replace("$", "$$")) for word in value) + "]"
    return "{}" if isinstance(value, Mapping) else "[]"


def _text(text: str) -> str:
    """Plain where nothing could read it as something else, else in double quotes. JSON's escapes are YAML's too."""
    if _PLAIN.fullmatch(text) and resolve(text) == text and text.lower() not in ("yes", "no", "on", "off", "y", "n"):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return _EMITTED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
