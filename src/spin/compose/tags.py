"""Tags of a stack: whose it is, and what it needs."""

from __future__ import annotations

import re

from spin.compose.cursor import Cursor
from spin.kit.text import quoted

MOST_TAGS = 32
MOST_VALUE = 200
"""Longest value, characters."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


def lower_tags(root: Cursor) -> tuple[tuple[str, str], ...]:
    """`tags` of the stack's own `x-spin`, sorted; a list of texts becomes one text. Which there may be is a rule of the audit's."""
    extension = root.get("x-spin")
    section = extension.get("tags") if extension else None
    if section is None:
        return ()
    entries = list(section.entries())
    if len(entries) > MOST_TAGS:
        section.fail(f"more than {MOST_TAGS} tags stand here; write fewer.")
    return tuple(sorted((_name(name, value), _value(value)) for name, value in entries))


def _name(name: str, entry: Cursor) -> str:
    if not _NAME.fullmatch(name):
        entry.fail(f"{quoted(name)} cannot be a tag's name; write small letters, digits and underscores, such as staff_owner.")
    return name


def _value(entry: Cursor) -> str:
    listed = not entry.is_text() and not entry.is_mapping() and isinstance(entry.value, list | tuple)
    text = ", ".join(item.line() for item in entry.items()) if listed else entry.line()
    if not text.strip() or len(text) > MOST_VALUE:
        entry.fail(f"a tag has from 1 to {MOST_VALUE} characters; write less, or leave it out.")
    return text
