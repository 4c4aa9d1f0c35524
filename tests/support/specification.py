"""Every attribute of the Compose Specification, by its own JSON schema (as check-jsonschema ships it)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_SCHEMA = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"


@cache
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_SCHEMA.read_text())
    return found


def attributes() -> tuple[str, ...]:
    """Paths such as `services.*.ports[].target`, in all forms in which each can be written."""
    return tuple(dict.fromkeys(_walk(schema(), "", frozenset())))


def _walk(node: Any, path: str, seen: frozenset[str]) -> Iterator[str]:
    if not isinstance(node, Mapping):
        return
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from _walk(schema()["$defs"][name], path, seen | {name})
    for word in ("oneOf", "anyOf", "allOf"):
        for part in node.get(word, ()):
            yield from _walk(part, path, seen)
    for key, child in node.get("properties", {}).items():
        here = f"{path}.{key}" if path else key
        yield here
        yield from _walk(child, here, seen)
    for pattern, child in node.get("patternProperties", {}).items():
        if not pattern.startswith("^x-"):
            yield from _walk(child, f"{path}.*", seen)
    yield from _walk(node.get("additionalProperties"), f"{path}.*", seen)
    yield from _walk(node.get("items"), f"{path}[]", seen)
