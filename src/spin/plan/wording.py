"""A service in the words of the Compose file: one text for each key, by dotted path."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from spin.kit.canonical import canonical_json, digest
from spin.model.stack import Grant, Healthcheck, Resources, Restart, ServiceSpec, StackSpec, Update

Pairs = Iterator[tuple[str, str]]


def words_of(stack: StackSpec, service: ServiceSpec, versions: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """Every key of `service` that says something, except `image`; what has its default is left out. Nothing is masked here.

    Contents of configs stand as short digests, secrets as their versions. A field that has no words here yet is not lost: it
    stands under its own name, as JSON.
    """
    words: dict[str, str] = {}
    for field in fields(service):
        value = getattr(service, field.name)
        if field.name in _SPECIAL:
            words.update(_SPECIAL[field.name](stack, service))
        elif field.name not in ("name", "image", "secrets", "restart_limit") and value not in (None, (), False):
            words[field.name] = value if isinstance(value, str) else canonical_json(value)
    words.update(_secrets(stack, service, dict(versions)))
    return words


def stack_words(stack: StackSpec) -> dict[str, str]:
    """The keys of the stack itself that say something."""
    after = stack.confirm_after_ms
    words = {} if after is None else {"x-spin.confirm_after": _duration(after)}
    return words | {f"x-spin.tags.{name}": value for name, value in stack.tags}


def _secrets(stack: StackSpec, service: ServiceSpec, versions: dict[str, int]) -> Pairs:
    stored = {s.name: s.stored for s in stack.secrets}
    for grant in service.secrets:
        name = stored.get(grant.source, grant.source)
        version = versions.get(name)
        yield f"secrets.{grant.target}", f"{name}{'' if version is None else f', version {version}'}{_access(grant, 0o444)}"


def _configs(stack: StackSpec, service: ServiceSpec) -> Pairs:
    contents = {c.name: c.content for c in stack.configs}
    for grant in service.configs:
        content = digest(contents[grant.source])[:12] if grant.source in contents else "missing"
        yield f"configs.{grant.target}", f"{grant.source}, content {content}{_access(grant, 0o444)}"


def _access(grant: Grant, usual: int) -> str:
    owner = f", owner {grant.uid}:{grant.gid}" if (grant.uid, grant.gid) != (0, 0) else ""
    return owner + (f", mode {grant.mode:04o}" if grant.mode != usual else "")


def _line(key: str, value: tuple[str, ...] | None) -> Pairs:
    if value is not None:
        yield key, shlex.join(value)


def _pairs(key: str, value: tuple[tuple[str, str], ...]) -> Pairs:
    for name, text in value:
        yield f"{key}.{name}", text


def _ports(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for port in service.ports:
        yield f"ports.{port.published}/{port.protocol.value}", f"to {port.target}"


def _mounts(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for mount in service.mounts:
        yield f"volumes.{mount.target}", mount.volume + ", read-only" * mount.read_only + ", nocopy" * mount.nocopy


def _binds(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for bind in service.binds:
        yield f"volumes.{bind.target}", f"path {bind.source}" + ", read-only" * bind.read_only


def _tmpfs(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for tmpfs in service.tmpfs:
        said = "" if tmpfs.size_bytes is None else f", {tmpfs.size_bytes} bytes"
        said += "" if tmpfs.mode is None else f", mode {tmpfs.mode:04o}"
        said += "".join(f", {name} {number}" for name, number in (("uid", tmpfs.uid), ("gid", tmpfs.gid)) if number is not None)
        yield f"tmpfs.{tmpfs.target}", "in memory" + said + ", executable" * tmpfs.executable


def _networks(stack: StackSpec, service: ServiceSpec) -> Pairs:
    known = {n.name: n for n in stack.networks}
    for attachment in service.networks:
        network = known.get(attachment.network)
        aliases = f", also as {', '.join(attachment.aliases)}" if attachment.aliases else ""
        labels = f", labels {canonical_json(network.labels)}" if network is not None and network.labels else ""
        internal = ", internal" if network is not None and network.internal else ""
        yield f"networks.{attachment.network}", f"joined{aliases}{internal}{labels}"


def _depends_on(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for dependency in service.depends_on:
        yield f"depends_on.{dependency.service}", dependency.condition.value + ", optional" * (not dependency.required)


def _healthcheck(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    check: Healthcheck | None = service.healthcheck
    if check is None:
        return
    yield "healthcheck.test", shlex.join(check.test) or "(the image's own)"
    for name in ("interval", "timeout", "start_period", "start_interval"):
        value = getattr(check, f"{name}_ms")
        if value is not None and (value or check.test):
            yield f"healthcheck.{name}", _duration(value)
    if check.retries:
        yield "healthcheck.retries", str(check.retries)


def _resources(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    resources: Resources = service.resources
    values: tuple[tuple[str, float | None], ...] = (
        ("limits.cpus", resources.cpus),
        ("limits.memory", resources.memory_bytes),
        ("limits.pids", resources.pids),
        ("reservations.cpus", resources.reserved_cpus),
        ("reservations.memory", resources.reserved_memory_bytes),
    )
    for key, value in values:
        if value is not None:
            yield f"deploy.resources.{key}", f"{value:g}" if key.endswith("cpus") else str(value)


def _update(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    update, usual = service.update, Update()
    values: tuple[tuple[str, str | None], ...] = (
        ("parallelism", str(update.parallelism) if update.parallelism != usual.parallelism else None),
        ("delay", _duration(update.delay_ms) if update.delay_ms else None),
        ("failure_action", update.failure_action.value if update.failure_action else None),
        ("monitor", _duration(update.monitor_ms) if update.monitor_ms else None),
        ("max_failure_ratio", f"{update.max_failure_ratio:g}" if update.max_failure_ratio else None),
        ("order", update.order.value if update.order else None),
    )
    for key, value in values:
        if value is not None:
            yield f"deploy.update_config.{key}", value


def _http(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    if service.http is not None:
        yield "x-spin.http", str(service.http.port)
        if service.http.hosts:
            yield "x-spin.hosts", ", ".join(service.http.hosts)


def _shm(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    if service.shm_bytes is not None:
        yield "shm_size", f"{service.shm_bytes} bytes"


def _ulimits(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for limit in service.ulimits:
        soft, hard = ("unlimited" if value == -1 else str(value) for value in (limit.soft, limit.hard))
        yield f"ulimits.{limit.name}", hard if soft == hard else f"{soft}, at most {hard}"


def _extra_hosts(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for name in dict.fromkeys(name for name, _ in service.extra_hosts):
        yield f"extra_hosts.{name}", ", ".join(address for other, address in service.extra_hosts if other == name)


def _dns(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    for key, values in (("dns", service.dns.servers), ("dns_search", service.dns.search), ("dns_opt", service.dns.options)):
        if values:
            yield key, ", ".join(values)


def _schedule(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    schedule = service.schedule
    if schedule is None:
        return
    yield "x-spin.schedule", schedule.times
    yield "x-spin.overlap", schedule.overlap.value
    if schedule.timeout_ms is not None:
        yield "x-spin.timeout", _duration(schedule.timeout_ms)
    yield "x-spin.keep", str(schedule.keep)


def _restart(_stack: StackSpec, service: ServiceSpec) -> Pairs:
    limit = f":{service.restart_limit}" if service.restart is Restart.ON_FAILURE and service.restart_limit else ""
    yield "restart", service.restart.value + limit


def _duration(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}s"


_SPECIAL: dict[str, Callable[[StackSpec, ServiceSpec], Any]] = {
    "command": lambda _, s: _line("command", s.command),
    "entrypoint": lambda _, s: _line("entrypoint", s.entrypoint),
    "environment": lambda _, s: _pairs("environment", s.environment),
    "labels": lambda _, s: _pairs("labels", s.labels),
    "stop_grace_ms": lambda _, s: iter([("stop_grace_period", _duration(s.stop_grace_ms))]),
    "restart": _restart,
    "healthcheck": _healthcheck,
    "ports": _ports,
    "http": _http,
    "shm_bytes": _shm,
    "ulimits": _ulimits,
    "sysctls": lambda _, s: _pairs("sysctls", s.sysctls),
    "extra_hosts": _extra_hosts,
    "dns": _dns,
    "schedule": _schedule,
    "mounts": _mounts,
    "binds": _binds,
    "tmpfs": _tmpfs,
    "configs": _configs,
    "networks": _networks,
    "depends_on": _depends_on,
    "resources": _resources,
    "update": _update,
    "replicas": lambda _, s: iter([("replicas", str(s.replicas))]),
}
