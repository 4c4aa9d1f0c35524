"""Paths of the host, in all their disguises: bind mounts in both forms, volume drivers and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, entries, is_said, items

_HOST_PATH = re.compile(r"[/.~\\]|[A-Za-z]:[\\/]")
_DRIVE = re.compile(r"[A-Za-z]:(?:\\|/[^:]*:/)")
_SOCKET = "The Docker socket is not given to containers: whoever has it owns the host. Leave this mount out."
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


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        for index, entry in items(content.get("volumes")):
            if (path := host_path(entry)) is not None:
                instead = _SOCKET if "docker.sock" in path else None
                yield Place(f"services.{service}.volumes[{index}]", service, {"path": quoted(path)}, instead)
    for name, volume in entries(case.document.get("volumes")):
        for key in ("driver", "driver_opts"):
            if is_said(volume.get(key)) and (key, volume[key]) != ("driver", "local"):
                yield Place(f"volumes.{name}.{key}", None, {"path": f"`{key}` of the volume {quoted(name)}"}, _DRIVER)


RULE = Rule(
    code="host-path",
    severity=Severity.REFUSE,
    title="No path of the host is mounted",
    message="{path} would reach outside the stack's own storage.",
    instead="For data write a named volume (`data:/path`, and `data:` below `volumes:`); for files of yours use `configs` or "
    "`secrets`, or copy them into the image.",
    why="A mounted path reads and writes what belongs to the host and to others, and it is somewhere else on the next "
    "machine. Hosting platforms that refused bind mounts in one form were entered through another: the long form, a "
    "volume driver with options, a symbolic link, the Docker socket. So everything is refused here that is not a "
    "named volume of the stack, whatever it is called.",
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
