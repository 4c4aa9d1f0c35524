"""Paths of the host, in all their disguises: bind mounts in both forms, volume drivers and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spin.kit.paths import normal_path
from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, entries, is_said, items
from spin.policy.mounted import key_of
from spin.site import is_system_path

_HOST_PATH = re.compile(r"[/.~\\]|[A-Za-z]:[\\/]")
_DRIVE = re.compile(r"[A-Za-z]:(?:\\|/[^:]*:/)")
_SOCKET = "The Docker socket is not given to containers: whoever has it owns the host. Leave this mount out."
_CLIMBS = "Write the path as it is, from `/` on, without `..` and `~`."
_OPTIONS = "Leave `bind` out: a path of a filesystem is mounted privately, and is never made."
_SHORT_OPTIONS = "Write `ro` or `rw` alone: a path of a filesystem is mounted privately, and keeps its labels."
_HARMLESS = frozenset({"ro", "rw", "private", "rprivate", "cached", "delegated", "consistent"})
"""Options of the short form that can be carried out; the last three mean something on macOS only, and nothing here."""
_ELSEWHERE = "Write a path of one of the site's filesystems: {filesystems}. For other data write a named volume (`data:/path`)."
_DRIVER = "Leave `driver` and `driver_opts` out: the platform decides where a volume lies."


def host_path(entry: Any) -> str | None:
    """The host's path that a `volumes` entry of a service mounts, or whatever it mounts that is no volume; None where it is one."""
    if isinstance(entry, Mapping):
        kind, source = entry.get("type"), entry.get("source")
        is_path = isinstance(source, str) and _HOST_PATH.match(source)
        if kind in ("volume", "tmpfs") and not is_path and not is_said(entry.get("bind")) and not is_said(entry.get("image")):
            return None
        return source if isinstance(source, str) else str(kind)
    source = short_source(entry)
    return source if source is not None and _HOST_PATH.match(source) else None


def short_source(entry: Any) -> str | None:
    """What stands before the path in the container; None where nothing does. The colon of `C:\\data` is part of it."""
    if not isinstance(entry, str):
        return None
    colon = entry.find(":", 2 if _DRIVE.match(entry) else 0)
    return entry[:colon] if colon >= 0 else None


def is_known(case: Case, path: str) -> bool:
    """Whether that normal path is of one of the site's filesystems; without a platform, whether it may be."""
    return case.site.filesystem(path) is not None if case.ground.platform else not is_system_path(path)


def _is_mount(case: Case, entry: Any, path: str) -> bool:
    """Whether the entry mounts a path of a filesystem, and wants nothing else of the host."""
    normal = normal_path(path)
    if normal is None or not is_known(case, normal):
        return False
    if isinstance(entry, Mapping):
        return entry.get("type") == "bind" and _is_plain(entry.get("bind"))
    return _HARMLESS.issuperset(_short_options(entry))


def _short_options(entry: str) -> list[str]:
    """What stands after the path in the container."""
    rest = entry[len(short_source(entry) or "") + 1 :]
    return [option for option in rest.partition(":")[2].replace(":", ",").split(",") if option]


def _is_plain(options: Any) -> bool:
    """Whether `bind` asks for what is done anyway. `create_host_path` means nothing: a path that is not there is refused."""
    if not is_said(options):
        return True
    if not isinstance(options, Mapping):
        return False
    rest = {key: value for key, value in options.items() if key != "create_host_path" and is_said(value)}
    return rest in ({}, {"propagation": "private"}, {"propagation": "rprivate"})


def _advice(case: Case, entry: Any, path: str) -> str | None:
    if "docker.sock" in path:
        return _SOCKET
    if not case.site.filesystems:
        return None
    normal = normal_path(path)
    if normal is None:
        return _CLIMBS
    if not is_known(case, normal):
        return _ELSEWHERE
    return _OPTIONS if isinstance(entry, Mapping) else _SHORT_OPTIONS


def _find(case: Case) -> Iterator[Place]:
    filesystems = ", ".join(f.path for f in case.site.filesystems)
    said = set()
    for service, content in case.services():
        for index, entry in items(content.get("volumes")):
            path = host_path(entry)
            if path is not None and not _is_mount(case, entry, path):
                said.add((service, normal_path(path)))
                values = {"path": quoted(path), "filesystems": filesystems}
                yield Place(f"services.{service}.volumes[{index}]", service, values, _advice(case, entry, path))
    for mounting in case.spec.services:  # what counts is what the document comes to; and there may be no document
        for bind in mounting.binds:
            if not is_known(case, bind.source) and (mounting.name, bind.source) not in said:
                values = {"path": quoted(bind.source), "filesystems": filesystems}
                yield Place(key_of(case, mounting.name, bind), mounting.name, values, _advice(case, None, bind.source))
    for name, volume in entries(case.document.get("volumes")):
        if is_said(volume.get("driver_opts")):
            yield Place(f"volumes.{name}.driver_opts", None, {"path": f"`driver_opts` of the volume {quoted(name)}"}, _DRIVER)


RULE = Rule(
    code="host-path",
    severity=Severity.REFUSE,
    title="No path of the host is mounted, but for the site's filesystems",
    message="{path} would reach outside the stack's own storage.",
    instead="For data write a named volume (`data:/path`, and `data:` below `volumes:`); for files of yours use `configs` or "
    "`secrets`, or copy them into the image.",
    why="A mounted path reads and writes what belongs to the host and to others, and it is somewhere else on the next "
    "machine. Hosting platforms that refused bind mounts in one form were entered through another: the long form, a "
    "volume driver with options, a symbolic link, the Docker socket. So everything is refused here that is not a "
    "named volume of the stack, whatever it is called. The shared filesystems that the site names in its file are the one exception, "
    "under rules of their own (`filesystem-…`).",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes: ["/srv/data:/data"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            volumes: ["data:/data"]
        volumes:
          data:
    """,
    find=_find,
)
