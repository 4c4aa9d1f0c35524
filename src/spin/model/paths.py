"""Paths of the engine's host: what the host says of them, and who may pass through them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class PathKind(Enum):
    DIRECTORY = "directory"
    FILE = "file"
    OTHER = "other"
    """A socket, a device, a pipe."""


class AclTag(Enum):
    """Whom an entry of a POSIX access control list is about. The values are those of Linux's attribute (acl(5))."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


@dataclass(frozen=True, slots=True)
class AclEntry:
    tag: AclTag
    bits: int
    """4 read, 2 write, 1 search."""
    id: int = 0
    """Of USER and GROUP."""


@dataclass(frozen=True, slots=True)
class Component:
    """One place on the way to a path."""

    path: str
    kind: PathKind
    mode: int
    """The twelve permission bits."""
    uid: int
    gid: int
    acl: tuple[AclEntry, ...] = ()
    """Its access control list, where it has one."""


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What the engine's host says of a path. Either `real`, or `missing`, or `unknown` is set."""

    path: str
    real: str = ""
    """Where it leads when all links are followed."""
    way: tuple[Component, ...] = ()
    """Every place that has to be passed, from `/` on, those on the way through links too; what the path names comes last."""
    missing: str = ""
    """The first place on the way that is not there."""
    unknown: str = ""
    """Why the host cannot tell, in a sentence."""


def granted(place: Component, uid: int, groups: Collection[int]) -> int:
    """What the process of a user that is not root may do there: 4 read, 2 write, 1 search (path_resolution(7), acl(5))."""
    if place.acl:
        return _granted_by_list(place, uid, groups)
    if uid == place.uid:
        return place.mode >> 6 & 7
    return (place.mode >> 3 if place.gid in groups else place.mode) & 7


def _granted_by_list(place: Component, uid: int, groups: Collection[int]) -> int:
    """The access check algorithm of acl(5), asked for search, read and write at once: of several groups the best counts."""
    bits = {entry.tag: entry.bits for entry in place.acl}
    mask = bits.get(AclTag.MASK, 7)
    if uid == place.uid:
        return bits.get(AclTag.USER_OBJ, 0)
    for entry in place.acl:
        if entry.tag is AclTag.USER and entry.id == uid:
            return entry.bits & mask
    of_groups = [
        entry.bits & mask
        for entry in place.acl
        if (entry.tag is AclTag.GROUP_OBJ and place.gid in groups) or (entry.tag is AclTag.GROUP and entry.id in groups)
    ]
    if not of_groups:
        return bits.get(AclTag.OTHER, 0)
    best = 0
    for found in of_groups:
        best |= found
    return best


def whose(place: Component, uid: int, groups: Collection[int]) -> str:
    """The class of `chmod` that decides about that user: u, g or o."""
    return "u" if uid == place.uid else "g" if place.gid in groups else "o"
