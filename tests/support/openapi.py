"""Compares types of Python with schemas of an OpenAPI document, and says of each difference where to mend it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

Schema = dict[str, Any]
KINDS: dict[Any, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}
SHAPES = "src/spin/client/shapes.py"


class Document:
    """An OpenAPI document, and what its operations ask and answer."""

    def __init__(self, document: Schema) -> None:
        self.document = document
        self.operations: dict[tuple[str, str], Schema] = {
            (method.upper(), path): operation for path, found in document["paths"].items() for method, operation in found.items()
        }

    def at(self, schema: Schema) -> Schema:
        """`schema`, or what it refers to."""
        while "$ref" in schema:
            node: Any = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            schema = node
        return schema

    def find(self, method: str, path: str) -> tuple[str, str] | None:
        """The operation that a request means: a fixed part of a path goes before a parameter."""
        parts = path.split("/")
        found = [
            key
            for key in self.operations
            if key[0] == method
            and len(wanted := key[1].split("/")) == len(parts)
            and all(w == p or (w.startswith("{") and p) for w, p in zip(wanted, parts, strict=True))
        ]
        return min(found, key=lambda key: key[1].count("{"), default=None)

    def answer(self, key: tuple[str, str]) -> Schema | None:
        """The schema of the good answer; None where it has no body."""
        [good] = [response for status, response in self.operations[key]["responses"].items() if status[0] == "2"]
        for content in self.at(good).get("content", {}).values():
            return typing.cast("Schema", content.get("schema", {}))
        return None

    def query(self, key: tuple[str, str]) -> dict[str, Schema]:
        """The parameters in the query, by name."""
        return {p["name"]: p for p in self.operations[key].get("parameters", []) if p["in"] == "query"}

    def body(self, key: tuple[str, str]) -> Schema | None:
        found = self.operations[key].get("requestBody")
        return None if found is None else typing.cast("Schema", found["content"]["application/json"]["schema"])

    def differences(self, hint: Any, schema: Schema, where: str) -> Iterator[str]:
        """Why a value that fits `schema` may not be what `hint` says, or never be a part of it."""
        schema = self.at(schema)
        if hint is Any or not _says_a_type(schema):
            return
        if get_origin(hint) in (Union, types.UnionType) or "anyOf" in schema:
            yield from self._alternatives(hint, schema, where)
        elif typing.is_typeddict(hint):
            yield from self._keys(hint, schema, where)
        elif get_origin(hint) is Literal:
            said, known = set(get_args(hint)), set(schema.get("enum", [schema.get("const")]))
            if said != known:
                yield f"{where}: the API answers one of {sorted(map(str, known))}, not {sorted(said)}"
        elif KINDS.get(get_origin(hint) or hint) != schema.get("type") or (get_origin(hint) is dict and "properties" in schema):
            yield f"{where}: {getattr(hint, '__name__', hint)} here, {_named(schema)} in the API"
        elif get_origin(hint) is list:
            yield from self.differences(get_args(hint)[0], schema.get("items", {}), f"{where}[]")
        elif get_origin(hint) is dict and isinstance(schema.get("additionalProperties"), dict):
            yield from self.differences(get_args(hint)[1], schema["additionalProperties"], f"{where}{{}}")

    def _keys(self, hint: Any, schema: Schema, where: str) -> Iterator[str]:
        hints = typing.get_type_hints(hint)
        properties = schema.get("properties", {})
        title = schema.get("title", "?")
        for key in sorted(properties.keys() - hints.keys()):
            yield f"{where}: the API's {title} has {key!r}: add it to {hint.__name__} in {SHAPES} ({_named(properties[key])})"
        for key in sorted(hints.keys() - properties.keys()):
            yield f"{where}: {hint.__name__}.{key} in {SHAPES} is not in the API's {title}: add it there, or take it away here"
        for key in sorted(hints.keys() & properties.keys()):
            if (key in hint.__required_keys__) and key not in schema.get("required", []):
                yield f"{where}: {title}.{key} may be missing in the API's answers, and {hint.__name__} says it is there"
            yield from self.differences(hints[key], properties[key], f"{hint.__name__}.{key}")

    def _alternatives(self, hint: Any, schema: Schema, where: str) -> Iterator[str]:
        """Each alternative of the API is one here; what the API never answers is not one here."""
        here = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        there = schema.get("anyOf", [schema])
        for one in there:
            reasons = [list(self.differences(h, one, where)) for h in here]
            if all(reasons):
                yield from min(reasons, key=len)
        for h in here:
            if all(list(self.differences(h, one, where)) for one in there):
                yield f"{where}: {getattr(h, '__name__', h)} here, never in the API"


def _says_a_type(schema: Schema) -> bool:
    return any(word in schema for word in ("type", "anyOf", "enum", "const", "properties"))


def _named(schema: Schema) -> str:
    """A schema in a word."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_named(one) for one in schema["anyOf"])
    if "enum" in schema:
        return f"one of {schema['enum']}"
    return str(schema.get("title") if "properties" in schema else schema.get("type", "anything"))
