"""A resolved document as a StackSpec.

Runs on the server on what a client sent, so nothing about the document is taken for granted: every type and size is checked
here, and whatever is wrong is an InvalidInput. Keys that the audit refuses are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

from spin.compose.cursor import Cursor
from spin.compose.forms import duration_ms
from spin.compose.links import lower_links
from spin.compose.mappings import labels
from spin.compose.restarts import says_restart
from spin.compose.service import Target, lower_service
from spin.compose.tags import lower_tags
from spin.kit.text import quoted
from spin.model.names import StackName, host_label
from spin.model.stack import Condition, Config, Network, Protocol, Restart, SecretRef, ServiceSpec, StackSpec, Volume
from spin.model.submission import Submission

MOST_CONFIG = 1024 * 1024
"""Largest config or secret, bytes: what Kubernetes takes, so that a stack fits any engine."""

_STORED = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}", re.ASCII)


def lower(submission: Submission, *, stack: StackName, registry_host: str, project: str) -> StackSpec:
    """The stack that `submission` describes, to be named `stack` and owned by `project`.

    Networks, volumes, configs and secrets that no service uses are left out, as Compose does. Raises InvalidInput, and nothing
    else, whatever the document is.
    """
    return lower_document(submission, Target(stack, registry_host, project))


def lower_document(submission: Submission, target: Target) -> StackSpec:
    """`lower`, for a stack with that place."""
    root = Cursor(submission.document, "", submission.positions)
    if include := root.get("include"):
        include.fail("only the workstation has these files; send the document as `spin up` does, with what is in them.")
    services = _services(root, target)
    joined = {a.network for s in services for a in s.networks}
    mounted = {m.volume for s in services for m in s.mounts}
    spec = StackSpec(
        services=services,
        networks=tuple(_network(name, entry) for name, entry in _named(root, "networks", "network") if name in joined),
        volumes=tuple(_volume(name, entry) for name, entry in _named(root, "volumes", "volume") if name in mounted),
        configs=_configs(root, {g.source for s in services for g in s.configs}, submission.configs),
        secrets=_secrets(root, {g.source for s in services for g in s.secrets}, submission.secrets, target.stack),
        confirm_after_ms=_confirm_after(root),
        tags=lower_tags(root),
    )
    if "default" in joined and "default" not in {n.name for n in spec.networks}:
        spec = replace(spec, networks=tuple(sorted((*spec.networks, Network("default")), key=lambda n: n.name)))
    _check_references(root, spec)
    _check_dependencies(root, spec)
    _check_ports(root, spec)
    _check_hosts(root, spec)
    return _without_optional(spec)


def _services(root: Cursor, target: Target) -> tuple[ServiceSpec, ...]:
    entries = dict(_named(root, "services", "service"))
    found = [lower_service(name, entry, target) for name, entry in entries.items()]
    if not found:
        _no_services(root)
    # What others wait for to complete runs once, unless its author says otherwise: restarted, it would never have completed.
    jobs = {d.service for s in found for d in s.depends_on if d.condition is Condition.COMPLETED}
    plain = {s.name for s in found if s.name in jobs and not says_restart(entries[s.name])}
    return lower_links([replace(s, restart=Restart.NO) if s.name in plain else s for s in found], entries)


def _no_services(root: Cursor) -> NoReturn:
    """Raises InvalidInput; files of the first version had their services at the top."""
    others = {
        key: entry for key, entry in root.entries() if key not in ("services", "name", "version") and not key.startswith("x-")
    }
    for entry in others.values():
        if entry.is_mapping() and not {"image", "build"}.isdisjoint(entry.value):
            at_all = "indent it" if "services" in root.mapping() else "write `services:`, and indent the services"
            entry.fail(f"a service stands at the top of the file, as in version 1; {at_all} below `services:`.")
    found = f" (it has {', '.join(quoted(key, 40) for key in list(others)[:5])})" if others else ""
    root.fail(f"the file has no services{found}; write at least one below `services:`.")


def _named(root: Cursor, key: str, what: str) -> list[tuple[str, Cursor]]:
    """The entries below a top-level key, sorted by name."""
    section = root.get(key)
    if section is None:
        return []
    for name, entry in section.entries():
        Cursor(name, entry.path, entry.positions).name(what)
    return sorted(section.entries(), key=lambda pair: pair[0])


def _network(name: str, entry: Cursor) -> Network:
    if entry.value is None:
        return Network(name)
    internal = entry.get("internal")
    return Network(name, internal.boolean() if internal else False, labels(entry.get("labels")))


def _volume(name: str, entry: Cursor) -> Volume:
    return Volume(name) if entry.value is None else Volume(name, labels(entry.get("labels")))


def _configs(root: Cursor, used: set[str], contents: Mapping[str, bytes]) -> tuple[Config, ...]:
    found = []
    for name, entry in _named(root, "configs", "config"):
        if name not in used:
            continue
        content, inline = contents.get(name), entry.get("content") if entry.value is not None else None
        if content is None and inline is not None:
            content = inline.data()
        external = entry.get("external") if entry.value is not None else None
        if content is None and external and (external.is_mapping() or external.boolean()):
            content = b""  # the audit refuses it
        if content is None:
            entry.fail("the config has no content here; write `file:`, `content:` or `environment:`.")
        if len(content) > MOST_CONFIG:
            entry.fail(f"the config has more than {MOST_CONFIG // 1024} KiB; put it on a volume or into the image.")
        found.append(Config(name, content))
    return tuple(found)


def _secrets(root: Cursor, used: set[str], contents: Mapping[str, bytes], stack: str) -> tuple[SecretRef, ...]:
    found = []
    for name, entry in _named(root, "secrets", "secret"):
        if name not in used:
            continue
        if len(contents.get(name, b"")) > MOST_CONFIG:
            entry.fail(f"the secret has more than {MOST_CONFIG // 1024} KiB; put the data on a volume.")
        found.append(_secret(name, entry, stack))
    return tuple(found)


def _secret(name: str, entry: Cursor, stack: str) -> SecretRef:
    own = name if name.startswith(f"{stack}.") else f"{stack}.{name}"
    if entry.value is None:
        entry.fail("it is not said where the secret comes from; write `file:`, `environment:` or `external: true`.")
    external, given, file = entry.get("external"), entry.get("name"), entry.get("file") or entry.get("environment")
    if external and external.is_mapping():  # the way of version 2: `external: {name: …}`
        given = external.get("name") or given
    if external and (external.is_mapping() or external.boolean()):
        if file:
            file.fail("an external secret is stored already and has no source here; keep one of them.")
        stored = given.line() if given else name if "." in name else own
        if not _STORED.fullmatch(stored):
            (given or entry).fail(
                f"{quoted(stored)} cannot be a secret's name; use at most 128 letters, digits, dots, hyphens, underscores."
            )
        return SecretRef(name, stored, external=True)
    if given:
        given.fail("only an external secret has a `name`; leave it out, the secret is stored as STACK.NAME.")
    if file is None:
        entry.fail("it is not said where the secret comes from; write `file:`, `environment:` or `external: true`.")
    return SecretRef(name, own)


def _confirm_after(root: Cursor) -> int | None:
    """`confirm_after` of the stack's own `x-spin`; 0 says the same as nothing."""
    extension = root.get("x-spin")
    after = extension.get("confirm_after") if extension else None
    return after.read(duration_ms) or None if after else None


def _check_references(root: Cursor, spec: StackSpec) -> None:
    """Raises InvalidInput where a service names a network, volume, config or secret that the document does not declare."""
    declared = {
        "networks": {n.name for n in spec.networks},
        "volumes": {v.name for v in spec.volumes},
        "configs": {c.name for c in spec.configs},
        "secrets": {s.name for s in spec.secrets},
    }
    for service in spec.services:
        wanted = {
            "networks": [a.network for a in service.networks],
            "volumes": [m.volume for m in service.mounts],
            "configs": [g.source for g in service.configs],
            "secrets": [g.source for g in service.secrets],
        }
        for key, names in wanted.items():
            for name in names:
                if name not in declared[key]:
                    what = key.removesuffix("s")
                    _service(root, service.name, key).fail(
                        f"the {what} {quoted(name)} is not declared; add `{name}:` below `{key}:` at the top level."
                    )


def _service(root: Cursor, name: str, key: str) -> Cursor:
    """A place for messages."""
    return Cursor(None, f"services.{name}.{key}", root.positions)


def _check_dependencies(root: Cursor, spec: StackSpec) -> None:
    names = {s.name for s in spec.services}
    waits: dict[str, list[str]] = {}
    for service in spec.services:
        waits[service.name] = [d.service for d in service.depends_on if d.service in names]
        for dependency in service.depends_on:
            if dependency.required and dependency.service not in names:
                where = _service(root, service.name, f"depends_on.{dependency.service}")
                where.fail(f"there is no service {quoted(dependency.service)}; write one of {_some(names - {service.name})}.")
    if cycle := _cycle(waits):
        where = _service(root, cycle[0], "depends_on")
        where.fail(f"the services wait for each other: {' -> '.join(cycle)}; take one of these dependencies away.")


def _some(names: Iterable[str]) -> str:
    """A few names, for messages."""
    ordered = sorted(names)
    return ", ".join(ordered[:8]) + (", ..." if len(ordered) > 8 else "") if ordered else "(there is no other service)"


def _cycle(waits: Mapping[str, list[str]]) -> list[str]:
    """The services of one cycle, the first one repeated at the end; empty where there is none."""
    left = dict(waits)
    waiters: dict[str, list[str]] = {name: [] for name in waits}
    for name, others in waits.items():
        for other in others:
            waiters[other].append(name)
    count = {name: len(others) for name, others in waits.items()}
    free = [name for name, n in count.items() if n == 0]
    while free:
        name = free.pop()
        del left[name]
        for waiter in waiters[name]:
            count[waiter] -= 1
            if count[waiter] == 0:
                free.append(waiter)
    if not left:
        return []
    way: list[str] = [min(left)]
    while way[-1] not in way[:-1]:
        way.append(next(other for other in left[way[-1]] if other in left))
    return way[way.index(way[-1]) :]


def _check_ports(root: Cursor, spec: StackSpec) -> None:
    holders: dict[tuple[int, Protocol], str] = {}
    for service in spec.services:
        for port in service.ports:
            holder = holders.setdefault((port.published, port.protocol), service.name)
            if holder != service.name:
                where = _service(root, service.name, "ports")
                where.fail(f"port {port.published}/{port.protocol.value} is published by {quoted(holder)} too; choose another.")


def _check_hosts(root: Cursor, spec: StackSpec) -> None:
    holders: dict[str, str] = {}
    own: dict[str, str] = {}
    for service in spec.services:
        if service.http is None:
            continue
        holder = holders.setdefault(host_label(service.name), service.name)
        if holder != service.name:
            where = _service(root, service.name, "x-spin")
            where.fail(f"the service would get the same host name as {quoted(holder)}; rename one of them.")
        for host in service.http.hosts:
            if own.setdefault(host, service.name) != service.name:
                _service(root, service.name, "x-spin.hosts").fail(
                    f"the host name {host} belongs to {quoted(own[host])} already; give it to one service."
                )


def _without_optional(spec: StackSpec) -> StackSpec:
    """Without dependencies on services that need not be there and are not."""
    names = {s.name for s in spec.services}
    if all(d.service in names for s in spec.services for d in s.depends_on):
        return spec
    return replace(
        spec,
        services=tuple(replace(s, depends_on=tuple(d for d in s.depends_on if d.service in names)) for s in spec.services),
    )
