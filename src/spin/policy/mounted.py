"""What a stack mounts of the site's filesystems: what the rules `filesystem-…` look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spin.kit.paths import is_below, normal_path
from spin.model.paths import PathFacts
from spin.model.stack import Bind, ServiceSpec
from spin.policy.case import Case, Place, items
from spin.policy.ground import Runner
from spin.site import Filesystem

_USER = re.compile(r"([0-9]{1,10}):([0-9]{1,10})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mounted:
    """One path of one filesystem in one service."""

    service: ServiceSpec
    bind: Bind
    filesystem: Filesystem
    facts: PathFacts | None
    root: PathFacts | None
    """Of the filesystem's own path."""
    key: str
    """Where it stands in the document."""

    def place(self, instead: str | None = None, **values: object) -> Place:
        """A place with the gaps that every rule has: `{path}`, `{target}`, `{service}`, `{filesystem}`."""
        known = {
            "path": self.bind.source,
            "target": self.bind.target,
            "service": self.service.name,
            "filesystem": self.filesystem.name,
        }
        return Place(self.key, self.service.name, known | values, instead)

    @property
    def real(self) -> str | None:
        """Where the path really leads, as a path below the filesystem's own; None where that is not known, or is elsewhere."""
        if self.facts is None or self.root is None or not self.facts.real or not self.root.real:
            return None
        if not is_below(self.facts.real, self.root.real):
            return None
        rest = self.facts.real[len(self.root.real.rstrip("/")) :]
        return (self.filesystem.path + rest).rstrip("/")

    @property
    def names(self) -> tuple[str, ...]:
        """The path as it is written, and as it really is where that is known to be another."""
        real = self.real
        return (self.bind.source,) if real is None or real == self.bind.source else (self.bind.source, real)


def mounted(case: Case) -> Iterator[Mounted]:
    """Everything that the stack mounts of the site's filesystems; other paths of the host are the rule `host-path`'s."""
    paths = case.ground.paths
    for service in case.spec.services:
        for bind in service.binds:
            filesystem = case.site.filesystem(bind.source)
            if filesystem is not None:
                key = key_of(case, service.name, bind)
                yield Mounted(service, bind, filesystem, paths.get(bind.source), paths.get(filesystem.path), key)


def mounting(case: Case) -> Iterator[Mounted]:
    """The first of these of each service."""
    seen = set()
    for found in mounted(case):
        if found.service.name not in seen:
            seen.add(found.service.name)
            yield found


def key_of(case: Case, service: str, bind: Bind) -> str:
    """Where the bind stands in the document; `services.x.volumes` where that cannot be told."""
    for name, content in case.services():
        for index, entry in items(content.get("volumes") if name == service else None):
            if _ends(entry) == (bind.source, bind.target):
                return f"services.{service}.volumes[{index}]"
    return f"services.{service}.volumes"


def _ends(entry: Any) -> tuple[str | None, str | None] | None:
    if isinstance(entry, Mapping):
        source, target = entry.get("source"), entry.get("target")
    else:
        source, target = (*str(entry).split(":"), "")[:2]
    if not isinstance(source, str) or not isinstance(target, str):
        return None
    return normal_path(source), normal_path(target)


def user_of(service: ServiceSpec) -> tuple[int, int] | None:
    """uid and gid of the service's `user`, where it is written in numbers and neither is root's."""
    match = _USER.fullmatch(service.user or "")
    if match is None or not int(match[1]) or not int(match[2]):
        return None
    return int(match[1]), int(match[2])


def groups_of(service: ServiceSpec) -> frozenset[int]:
    """The numbers in the service's `group_add`."""
    return frozenset(int(group) for group in service.group_add if _NUMBER.fullmatch(group))


def runner_of(case: Case, service: ServiceSpec) -> Runner | None:
    """Whose uid the service runs under, of those who may."""
    user = user_of(service)
    return next((r for r in case.ground.runners or () if user is not None and r.identity.uid == user[0]), None)
