"""Keys that this version does not carry out: each is refused by name, none is dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from spin.kit.text import plain, quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, items
from spin.policy.keys import FILE, Refused, Ruled, Shape


def _find(case: Case) -> Iterator[Place]:
    yield from _walk(case.document, FILE, "")


def _walk(value: Any, shape: Shape, path: str) -> Iterator[Place]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            where = f"{path}.{key}" if path else str(key)
            if shape.named is not None:
                yield from _walk(child, shape.named, where)
            elif shape.keys is not None:
                yield from _judge(str(key), child, shape.keys, where)
    elif shape.items is not None:
        for index, child in items(value):
            yield from _walk(child, shape.items, f"{path}[{index}]")


def _judge(key: str, child: Any, known: Mapping[str, Shape | Refused | Ruled], where: str) -> Iterator[Place]:
    entry = known.get(key)
    match entry:
        case Shape():
            yield from _walk(child, entry, where)
        case Ruled():
            return
        case Refused():
            yield _place(where, key, entry.reason, entry.instead)
        case None if not key.startswith("x-"):
            supported = [name for name, found in known.items() if isinstance(found, Shape)]
            close = difflib.get_close_matches(key[:100], supported, 1)
            instead = f"Did you mean `{close[0]}`?" if close else f"Leave it out; known here are {', '.join(sorted(supported))}."
            yield _place(where, key, "is not a key that is known here", instead)


def _place(where: str, key: str, reason: str, instead: str) -> Place:
    parts = where.split(".")
    service = plain(parts[1]) if parts[0] == "services" and len(parts) > 2 else None
    return Place(where, service, {"key": plain(quoted(key)[1:-1]), "reason": reason, "advice": instead})


RULE = Rule(
    code="unknown-key",
    severity=Severity.REFUSE,
    title="A key that is not carried out is refused by name",
    message="`{key}` {reason}.",
    instead="{advice}",
    why="A platform that drops what it does not know runs something else than the file says, and nobody is told: a "
    "limit that is not there, a health check that never runs. Every key of a Compose file has a row in a table with "
    "what becomes of it; a key without a row is refused, so that new ones are decided upon before they do anything.",
    example="""
        services:
          web:
            image: nginx:1.27
            colour: blue
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
