"""Mappings that may be written as lists of `NAME=value`: environment, labels, build arguments."""

from __future__ import annotations

from spin.compose.cursor import Cursor
from spin.kit.text import quoted


def pairs(cursor: Cursor | None) -> dict[str, str | None]:
    """A mapping, or a list of `KEY=value`; None for a key without a value."""
    if cursor is None:
        return {}
    found: dict[str, str | None] = {}
    if cursor.is_mapping():
        for key, value in cursor.entries():
            _pair_name(value, key)
            found[key] = None if value.value is None else value.text()
        return found
    for item in cursor.items():
        key, sign, text = item.text().partition("=")
        _pair_name(item, key)
        found[key] = text if sign else None
    return found


def _pair_name(cursor: Cursor, key: str) -> None:
    if not key.strip() or "=" in key or any(c in key for c in "\n\r\t"):
        cursor.fail(f"{quoted(key)} cannot be a name here; write NAME=value or `NAME: value`, the name without spaces around it.")


def labels(cursor: Cursor | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value or "") for key, value in pairs(cursor).items()))
