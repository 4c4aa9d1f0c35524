"""Canonical JSON and digests of frozen values.

Two equal values give the same bytes on any machine and in any version of Python, so a digest can be compared with one that
was stored years ago.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

_PLAIN = frozenset({str, int, float, bool, type(None)})
_FIELDS: dict[type, tuple[str, ...]] = {}
"""Of dataclasses that were met: to ask each value anew takes most of the time of a digest."""


def primitive(value: Any) -> Any:
    """`value` as JSON-able data: dataclasses as objects, enums as their values, tuples as lists, bytes as base64.

    Raises TypeError for anything else that JSON does not know.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return [primitive(v) for v in value]
    names = _FIELDS.get(kind)
    if names is None and dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = _FIELDS[kind] = tuple(f.name for f in dataclasses.fields(value))
    if names is not None:
        return {name: primitive(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return primitive(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): primitive(v) for k, v in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((primitive(v) for v in value), key=repr)
    if isinstance(value, tuple | list):
        return [primitive(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical_json(value: Any) -> str:
    """One line, sorted keys, no spaces, UTF-8 as it is."""
    return json.dumps(primitive(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
