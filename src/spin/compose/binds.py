"""Binds of the user's own files: a small file travels along as a config; for everything else there is advice.

The container sees a read-only copy, taken when the file is loaded. What stays a bind is refused by the audit.
"""

from __future__ import annotations

import re
from typing import Any

from spin.compose.cursor import Cursor
from spin.compose.forms import is_host_path, volume
from spin.compose.lower import MOST_CONFIG
from spin.compose.notices import BIND_LEFT, FILE_AS_CONFIG
from spin.compose.workspace import Kind, Look, Workspace
from spin.kit.text import quoted
from spin.model.finding import Finding

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9._-]+")
_DATA = "For data write a named volume (`data:/path`, and `data:` below `volumes:`)"
_ADVICE = {
    Kind.DIRECTORY: (
        "{path} is a directory of this machine, which does not travel along",
        f"Copy it into the image with `build:`, or mount its files one by one. {_DATA}.",
    ),
    Kind.NOTHING: (
        "{path} does not exist on this machine (Docker would make an empty directory of that name)",
        f"Correct the path if a file is meant. {_DATA}.",
    ),
    Kind.SPECIAL: (
        "{path} is a device, a socket or a pipe of this machine, which does not travel along",
        "Leave it out; on a platform the service does not run on your machine.",
    ),
    Kind.OUTSIDE: (
        "{path} leads out of the project's directory, so it does not travel along",
        "Copy the file into the directory of the Compose file, or name it in a config with `file:`.",
    ),
}


def carry(root: Cursor, workspace: Workspace) -> list[Finding]:
    """Exchanges binds of small files in the document for configs, and tells what was done and what could not be."""
    document: Any = root.value
    configs = document.get("configs")
    names = dict(configs) if isinstance(configs, dict) else {}
    carried: dict[str, str] = {}
    found: list[Finding] = []
    services = root.get("services")
    for service, entry in services.entries() if services else ():
        volumes = entry.value.get("volumes") if isinstance(entry.value, dict) else None
        if not isinstance(volumes, list):
            continue
        kept, grants = [], []
        for item in entry.at("volumes", volumes).items():
            bind = _bind(item)
            look = workspace.look(bind[0]) if bind else None
            if bind is None or look is None or (look.kind is Kind.OUTSIDE and bind[0].startswith(("/", "~"))):
                kept.append(item.value)
                continue
            path, target = bind
            if look.kind is Kind.FILE and look.size <= MOST_CONFIG:
                if path not in carried:
                    carried[path] = _name(path, names)
                    names[carried[path]] = {"file": path}
                grants.append({"source": carried[path], "target": target} | ({"mode": "0555"} if look.executable else {}))
                found.append(_notice(item, service, path))
            else:
                kept.append(item.value)
                found.append(_advice(item, service, path, look))
        if grants:
            own = entry.value.get("configs")
            entry.value["volumes"] = kept
            entry.value["configs"] = [*(own if isinstance(own, list) else []), *grants]
    if carried:
        document["configs"] = names
    return found


def _bind(item: Cursor) -> tuple[str, str] | None:
    """(path on this machine, path in the container) of a bind; None of whatever else stands there."""
    if isinstance(item.value, dict):
        kind, source, target = (item.value.get(key) for key in ("type", "source", "target"))
        if kind != "bind" or not isinstance(source, str) or not isinstance(target, str):
            return None
        return source, target
    if not isinstance(item.value, str):
        return None
    form = volume(item.value)
    return (form.source, form.target) if form.source is not None and is_host_path(form.source) else None


def _name(path: str, taken: dict[str, Any]) -> str:
    """A name for the config: the file's own, with a number where there is one already."""
    base = _NOT_IN_A_NAME.sub("-", path.rpartition("/")[2]).strip("-._")[:50] or "file"
    number = 1
    while (name := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    return name


def _notice(item: Cursor, service: str, path: str) -> Finding:
    return FILE_AS_CONFIG.finding(
        f"{quoted(path)} travels along as a config: the container sees a read-only copy of the file as it is now.",
        "Nothing, if that is enough; `spin up` again after a change of the file. For data that the service writes use a volume.",
        service=service,
        key=item.path,
        position=item.positions.get(item.path),
    )


def _advice(item: Cursor, service: str, path: str, look: Look) -> Finding:
    if look.kind is Kind.FILE:
        what = f"{{path}} has more than {MOST_CONFIG // 1024} KiB, too much for a config"
        instead = f"Copy it into the image with `build:`. {_DATA}."
    else:
        what, instead = _ADVICE[look.kind]
    return BIND_LEFT.finding(
        what.format(path=quoted(path)) + ".", instead, service=service, key=item.path, position=item.positions.get(item.path)
    )
