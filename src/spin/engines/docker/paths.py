"""What this machine says of paths that are to be mounted, where it is the engine's host.

Looking may hang, as a network filesystem does that is gone: so it is done in threads of its own, few of them, and not waited for
without end.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import stat
import struct
from collections import deque
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spin.errors import Failed
from spin.kit.paths import is_below
from spin.model.paths import AclEntry, AclTag, Component, PathFacts, PathKind
from spin.model.stack import Bind
from spin.site import Site

MOST_LINKS = 40
"""Links that are followed on one way: as many as Linux follows (path_resolution(7))."""
WAIT_SECONDS = 5.0
"""How long one question may take."""
_THREADS = 4
_ACL = "system.posix_acl_access"
_HANGS = "The filesystem does not answer."


class Paths:
    """The threads that look, for an engine whose host is this machine."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="paths")

    def close(self) -> None:
        """A thread that hangs is left behind: nobody could end it."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def look(self, paths: Collection[str]) -> Mapping[str, PathFacts]:
        return {path: await self._ask(path) for path in dict.fromkeys(paths)}

    async def resolve(self, site: Site, binds: Collection[Bind]) -> dict[str, str]:
        """What is to be mounted for each source: the end of its links. Raises Failed where that cannot be, or is not on the filesystem.

        Asked just before a container is made: what admission has seen may have been exchanged for a link since.
        """
        found = {}
        for bind in binds:
            filesystem = site.filesystem(bind.source)
            if filesystem is None:
                raise Failed(f"{bind.source} is not of a filesystem of this site (any more).", path=bind.source)
            seen = await self.look((bind.source, filesystem.path))
            facts, root = seen[bind.source], seen[filesystem.path]
            if facts.unknown or root.unknown:
                raise Failed(f"{bind.source} cannot be looked at: {facts.unknown or root.unknown}", path=bind.source)
            if facts.missing or root.missing:
                raise Failed(f"{bind.source} cannot be mounted: there is no {facts.missing or root.missing}.", path=bind.source)
            if not is_below(facts.real, root.real):
                raise Failed(f"{bind.source} leads to {facts.real}, which is not on {filesystem.name}.", path=bind.source)
            if facts.way[-1].kind is PathKind.OTHER:
                raise Failed(f"{bind.source} is neither a directory nor a file.", path=bind.source)
            found[bind.source] = facts.real
        return found

    async def _ask(self, path: str) -> PathFacts:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, walk, path)
        except TimeoutError:
            return PathFacts(path, unknown=_HANGS)


def walk(path: str) -> PathFacts:
    """Goes from `/` to where the normal `path` leads, a step at a time, and looks at each place without following it."""
    rest, here = deque(path.split("/")), "/"
    way: list[Component] = []
    links = 0
    try:
        way.append(_component("/", os.lstat("/")))
        while rest:
            name = rest.popleft()
            if name in ("", "."):
                continue
            if name == "..":  # of a link only
                here = posixpath.dirname(here)
                continue
            at = posixpath.join(here, name)
            seen = os.lstat(at)
            if stat.S_ISLNK(seen.st_mode):
                links += 1
                if links > MOST_LINKS:
                    return PathFacts(path, way=tuple(way), unknown=f"More than {MOST_LINKS} links follow each other at {at}.")
                target = str(Path(at).readlink())
                here = "/" if target.startswith("/") else here
                rest.extendleft(reversed(target.split("/")))
                continue
            way.append(_component(at, seen))
            here = at
    except (FileNotFoundError, NotADirectoryError):
        return PathFacts(path, way=tuple(way), missing=at)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return PathFacts(path, way=tuple(way), unknown=f"The platform cannot look below {here}: {why}.")
    if here == "/" or way[-1].path != here:  # a link that ends in `..` leads to a place that was passed before
        way.append(_component(here, os.lstat(here)))
    return PathFacts(path, real=here, way=tuple(way))


def _component(path: str, seen: os.stat_result) -> Component:
    mode = seen.st_mode
    kind = PathKind.DIRECTORY if stat.S_ISDIR(mode) else PathKind.FILE if stat.S_ISREG(mode) else PathKind.OTHER
    return Component(path, kind, stat.S_IMODE(mode), seen.st_uid, seen.st_gid, _acl(path))


def _acl(path: str) -> tuple[AclEntry, ...]:
    """The access control list in Linux's binary form: a version (2), then tag, bits and id of each entry, little-endian."""
    try:
        raw = os.getxattr(path, _ACL, follow_symlinks=False)
    except OSError:  # it has none, or the filesystem has no such lists
        return ()
    if len(raw) < 4 or struct.unpack_from("<I", raw)[0] != 2:
        return ()
    return tuple(AclEntry(AclTag(tag), bits, who) for tag, bits, who in struct.iter_unpack("<HHI", raw[4:]))
