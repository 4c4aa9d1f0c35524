"""The OpenAPI document: what FastAPI derives from the endpoints, and what it does not know.

That is: how one signs in; that every error is a problem (`spin.api.problems`); and that an answer has all of its keys always, while
FastAPI takes those with a default for optional. Operations are called as their functions, which clients are generated from: the
names are part of the contract. docs/reference/openapi.json is this document; a test holds `spin.client` to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from spin.api.middleware import is_guarded

COMMON = {
    413: "The request is larger than the platform reads",
    422: "The request is not valid, or a rule of the site forbids what it asks for (`code` is `refused`, `fields.findings` says why)",
    500: "A fault of the platform; `fields.request_id` is in its log",
}
"""What any endpoint may answer."""
GUARDED = {
    401: "Not signed in, or not any more",
    403: "Signed in, without the right",
    404: "No such thing, or not one of yours",
    409: "The thing exists already, has changed meanwhile, or is in use",
    429: "Too many failed attempts to sign in; `Retry-After` says when to go on",
    503: "A part of the platform does not answer; trying again may help",
}
"""What an endpoint may answer that needs credentials."""
PROBLEM = {
    "title": "Problem",
    "description": "An error (RFC 9457). Programs compare `code`; `detail` is a sentence for the person who asked.",
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "`urn:spin:problem:` and the code"},
        "title": {"type": "string", "description": "The phrase of the status"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable: `invalid-input`, `refused`, `not-found`, `conflict`, …"},
        "fields": {"type": "object", "additionalProperties": True, "description": "The values that matter, for programs"},
    },
    "required": ["type", "title", "status", "detail", "code", "fields"],
}
SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key"},
    "password": {"type": "http", "scheme": "basic", "description": "User and password, or user and API key"},
}


class Api(FastAPI):
    """An application that describes itself so."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for route in self.routes:
                if isinstance(route, APIRoute):
                    route.unique_id = route.name
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """`document`, with what FastAPI does not know. Changes it."""
    components = document["components"]
    schemas = components["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    asked, answered = set[str](), set[str]()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
            asked |= _reached([operation.get("requestBody")], schemas)
            answered |= _reached([operation["responses"]], schemas)
    for name in answered - asked:
        if "properties" in schemas[name]:
            schemas[name]["required"] = list(schemas[name]["properties"])
    schemas["Problem"] = PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components["responses"] = {
        str(status): {"description": said, "content": content} for status, said in sorted((COMMON | GUARDED).items())
    }
    components["securitySchemes"] = SECURITY
    document["security"] = [{name: []} for name in SECURITY]
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    possible = dict(COMMON)
    if is_guarded(path):
        possible |= GUARDED
    else:
        operation["security"] = []
        if "{" in path:
            possible[404] = GUARDED[404]
    for status in sorted(possible):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})


def _reached(below: list[Any], schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas to which anything below leads."""
    found: set[str] = set()
    todo = list(below)
    while todo:
        for name in set(_references(todo.pop())) - found:
            if name in schemas:
                found.add(name)
                todo.append(schemas[name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
