"""The client is held to the OpenAPI document: every call is an operation, every operation has a call, every shape is what is answered.

When this fails after a change to the API, the message says what to add, and where. What is made from the code (the document, the
asynchronous client) is made anew by scripts/reference.py.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import jsonschema
import pytest
from starlette.routing import WebSocketRoute

import spin
from spin import client, errors
from spin.api import build, document
from spin.api.context import PREFIX
from spin.api.middleware import is_guarded
from spin.client import AsyncClient, AsyncStack, Client, Stack, shapes
from spin.client.aio.feed import AsyncLogFeed
from spin.client.aio.streams import AsyncStream
from spin.client.feed import LogFeed
from spin.client.streams import Stream
from spin.model.event import Kind
from support.openapi import Document

API = Document(document())
WITHOUT_METHOD = {
    "get_healthz": "for load balancers",
    "get_readyz": "for load balancers",
    "get_metrics": "for Prometheus",
    "get_rule": "a page for people, which `spin check --explain` has without the server",
}
"""Operations that no client method calls, and why."""
UNSAID = {
    ("get_events", "after"): "`follow_events`, after the first answer, says it",
    ("get_events", "wait"): "the same",
}
"""Parameters that no client method lets one say."""
SAMPLES: Mapping[str, list[Any]] = {
    "expect_generation": [3],
    "identity": [{"uid": 4000, "gid": 4000, "gids": [5000]}, None],
    "kind": [next(iter(Kind)).value],
    "on_failure": ["pause"],
    "path": ["/etc/hosts"],
    "directory": ["/srv"],
    "role": ["owner"],
    "seen": ["0123456789abcdef"],
    "since": ["2030-01-01T00:00:00Z"],
    "until": ["2030-01-01T00:00:00Z"],
    "verb": ["start", "stop", "restart"],
    "submission": [{"document": {"services": {}}}],
}
"""Arguments by parameter, where those by type do not do."""
BY_TYPE: Mapping[Any, Any] = {
    str: "demo",
    int: 7,
    bool: True,
    float: 2.0,
    bytes: b"value",
    Mapping[str, bytes]: {"password": b"value"},
    Mapping[str, int]: {"web": 2},
    Sequence[str]: ["web"],
}


@dataclass(frozen=True)
class Call:
    """What a method asks of the server."""

    method: str
    path: str
    query: Mapping[str, Any]
    body: Any


class AskedError(Exception):
    """Instead of an answer."""


class Recorder:
    """A transport that notes the first request, and ends there."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def request(self, method: str, path: str, *, query: Any = None, body: Any = None, **_patience: float) -> Any:
        self.calls.append(Call(method, path, dict(query or {}), body))
        raise AskedError

    def lines(self, path: str, *, query: Any = None) -> Any:
        self.request("GET", path, query=query)

    def upgrade(self, path: str, _protocol: str, *, query: Any) -> Any:
        self.request("WEBSOCKET", path, query=query)


def hints_of(function: Any) -> dict[str, Any]:
    return typing.get_type_hints(function, localns={"Stream": Stream, "AsyncStream": AsyncStream})


def properties(kind: type) -> list[str]:
    return [n for n, found in inspect.getmembers(kind, lambda one: isinstance(one, property)) if not n.startswith("_")]


def methods(kind: type) -> list[str]:
    hidden = {"close", "stack"}
    return [n for n, found in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_") and n not in hidden]


ALL = [(kind, name) for kind in (Client, Stack) for name in methods(kind)]


def arguments(function: Any) -> Iterator[dict[str, Any]]:
    """Everything said; each parameter said in its other ways; nothing said that need not be."""
    hints = hints_of(function)
    parameters = [p for name, p in inspect.signature(function).parameters.items() if name != "self"]
    ways = {p.name: ways_of(p.name, hints[p.name]) for p in parameters}
    full = {name: some[0] for name, some in ways.items()}
    yield full
    for name, some in ways.items():
        yield from (full | {name: way} for way in some[1:])
    yield {p.name: full[p.name] for p in parameters if p.default is inspect.Parameter.empty}


def ways_of(name: str, hint: Any) -> list[Any]:
    """Values of a parameter. Raises KeyError: give one in SAMPLES."""
    optional = get_origin(hint) in (Union, types.UnionType)
    if name in SAMPLES:
        return [way for way in SAMPLES[name] if way is not None or optional]
    if optional:
        return [BY_TYPE[one] if one is not type(None) else None for one in get_args(hint)]
    return [BY_TYPE[hint]]


def calls_of(kind: type, name: str) -> list[Call]:
    recorder = Recorder()
    one: Any = kind.__new__(kind)
    if kind is Stack:
        kind.__init__(one, recorder, "lab", "development", "shop")
    one._transport = recorder
    for given in arguments(getattr(kind, name)):
        with contextlib.suppress(AskedError):
            next(getattr(one, name)(**given))
    return recorder.calls


def validator(schema: Mapping[str, Any]) -> Any:
    whole = {**schema, "components": API.document["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


@functools.cache
def requests() -> list[tuple[type, str, Call]]:
    """Of all methods, without those that open a stream."""
    return [(kind, name, call) for kind, name in ALL for call in calls_of(kind, name) if call.method != "WEBSOCKET"]


def operation_of(kind: type, name: str, call: Call) -> tuple[str, str]:
    found = API.find(call.method, PREFIX + call.path)
    assert found is not None, f"{kind.__name__}.{name} asks {call.method} {call.path}, and the API has no such operation"
    return found


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{k.__name__}.{n}" for k, n in ALL])
def test_every_client_method_asks_what_the_api_offers(kind: type, name: str) -> None:
    for call in calls_of(kind, name):
        if call.method == "WEBSOCKET":
            must_be_a_stream(call)
            continue
        key = operation_of(kind, name, call)
        known = API.query(key)
        unknown = call.query.keys() - known.keys()
        assert not unknown, f"{kind.__name__}.{name} sends {sorted(unknown)}, which {key} does not know"
        missing = {n for n, p in known.items() if p.get("required")} - call.query.keys()
        assert not missing, f"{kind.__name__}.{name} does not send {sorted(missing)}, which {key} needs"
        body = API.body(key)
        assert (call.body is None) is (body is None), f"{key}: {'the API wants a body' if body else 'the API takes no body'}"
        if body is not None:
            validator(body).validate(call.body)


def must_be_a_stream(call: Call) -> None:
    app = build(None)  # type: ignore[arg-type] - only its routes are looked at
    paths = {route.path.rpartition("{stack}/")[2]: route for route in app.routes if isinstance(route, WebSocketRoute)}
    found = paths.get(call.path.partition("/shop/")[2])
    assert found is not None, f"no stream at {call.path}; there are {sorted(paths)}"
    assert call.query.keys() <= inspect.signature(found.endpoint).parameters.keys()


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{k.__name__}.{n}" for k, n in ALL])
def test_every_client_method_returns_what_the_api_answers(kind: type, name: str) -> None:
    hint = hints_of(getattr(kind, name))["return"]
    if get_origin(hint) is not None and issubclass(get_origin(hint), Iterator):
        [hint] = get_args(hint)
    answers = {operation_of(kind, name, c) for c in calls_of(kind, name) if c.method != "WEBSOCKET"}
    for key in answers:
        schema = API.answer(key)
        if hint is type(None):  # a body may be dropped
            continue
        assert schema is not None, f"{kind.__name__}.{name} returns something, and {key} answers without a body"
        # Where a dry run answers otherwise, each of the two has a method.
        one_of = API.at(schema).get("anyOf", [schema])
        found = min((list(API.differences(hint, one, f"{kind.__name__}.{name}")) for one in one_of), key=len)
        assert not found, "\n".join(found)


OPERATIONS = {key: operation["operationId"] for key, operation in API.operations.items()}


def test_every_operation_has_a_client_method() -> None:
    asked = {OPERATIONS[operation_of(*request)] for request in requests()}
    missing = set(OPERATIONS.values()) - asked - WITHOUT_METHOD.keys()
    assert not missing, f"add a method to spin.client.Client or Stack, or a reason to WITHOUT_METHOD, for {sorted(missing)}"
    assert not WITHOUT_METHOD.keys() - set(OPERATIONS.values()), "there are no such operations any more"
    assert not WITHOUT_METHOD.keys() & asked, "they have a method now"


@pytest.mark.parametrize(("key", "name"), OPERATIONS.items(), ids=OPERATIONS.values())
def test_everything_that_an_operation_takes_can_be_said_with_the_client(key: tuple[str, str], name: str) -> None:
    if name in WITHOUT_METHOD:
        return
    calls = [r[2] for r in requests() if operation_of(*r) == key]
    said = {n for call in calls for n in (*call.query, *(call.body or {}))}
    body = API.body(key)
    takes = API.query(key).keys() | (set() if body is None else API.at(body)["properties"].keys())
    unsaid = {n for n in takes - said if (name, n) not in UNSAID}
    assert not unsaid, f"add {sorted(unsaid)} to the client's method for {name}, or a reason to UNSAID"


def test_every_shape_of_the_client_is_used() -> None:
    """What no method returns is held to nothing."""
    reached: set[Any] = set()

    def reach(hint: Any) -> None:
        if typing.is_typeddict(hint) and hint not in reached:
            reached.add(hint)
            for one in typing.get_type_hints(hint).values():
                reach(one)
        for one in get_args(hint):
            reach(one)

    for kind, name in ALL:
        for hint in hints_of(getattr(kind, name)).values():
            reach(hint)
    there = {found for found in vars(shapes).values() if typing.is_typeddict(found)}
    assert not {t.__name__ for t in there - reached}


# ---- The asynchronous client -------------------------------------------------------------------------------------------------


PAIRS: Sequence[tuple[type, type]] = [(Client, AsyncClient), (Stack, AsyncStack), (LogFeed, AsyncLogFeed)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_the_asynchronous_client_has_the_same_methods_parameters_and_types(ours: type, theirs: type) -> None:
    assert methods(theirs) == methods(ours)
    assert properties(theirs) == properties(ours)
    for name in methods(theirs):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert inspect.signature(one).parameters == inspect.signature(other).parameters
        hint, waited = hints_of(one)["return"], hints_of(other)["return"]
        if get_origin(hint) is not None and issubclass(get_origin(hint), Iterator):
            assert get_args(hint) == get_args(waited)[:1]
            assert not inspect.iscoroutinefunction(other)
        else:
            assert waited == (AsyncStream if hint is Stream else hint)
            assert inspect.iscoroutinefunction(other)


def test_a_stream_of_the_asynchronous_client_can_do_what_the_other_can() -> None:
    """Written by hand, as descriptors of this machine are nothing for asyncio."""
    assert methods(AsyncStream) == methods(Stream)
    for name in methods(Stream):
        ours, theirs = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Stream, AsyncStream))
        assert ours == theirs
        assert inspect.iscoroutinefunction(getattr(AsyncStream, name))


def test_the_package_names_what_it_documents_and_is_typed() -> None:
    for name in client.__all__:
        assert getattr(client, name).__doc__ if not isinstance(getattr(client, name), str) else True
    assert not hasattr(client, "nonsense")
    assert (Path(inspect.getfile(spin)).parent / "py.typed").exists()


# ---- The document itself -----------------------------------------------------------------------------------------------------


def test_operations_are_called_like_verbs_and_nouns_and_each_name_is_there_once() -> None:
    names = list(OPERATIONS.values())
    assert len(names) == len(set(names))
    assert not [n for n in names if not re.fullmatch(r"(get|post|put|delete|patch)(_[a-z]+)+", n)]
    assert not [key for key, name in OPERATIONS.items() if not name.startswith(key[0].lower() + "_")]


@pytest.mark.parametrize("key", API.operations, ids=OPERATIONS.values())
def test_every_operation_says_what_it_does_and_how_it_fails(key: tuple[str, str]) -> None:
    operation = API.operations[key]
    assert operation["summary"]
    assert operation["tags"]
    failures = {s: API.at(r) for s, r in operation["responses"].items() if s[0] in "45"}
    assert {"413", "422", "500"} <= failures.keys()
    if is_guarded(key[1]):
        assert {"401", "403", "404", "409", "429", "503"} <= failures.keys()
        assert "security" not in operation
    else:
        assert operation["security"] == []
    for status, response in failures.items():
        if (key[1], status) != ("/readyz", "503"):  # a report, that something is not ready
            assert list(response["content"]) == ["application/problem+json"]


def test_every_error_of_the_tree_is_a_problem_as_the_document_says() -> None:
    from spin.api.problems import from_error  # noqa: PLC0415 - beside its only use

    for kind in errors._tree(errors.SpinError).values():
        answer = from_error(kind("It is so."))
        validator({"$ref": "#/components/schemas/Problem"}).validate(json.loads(answer.body))
        assert str(answer.status_code) in API.document["components"]["responses"]


def test_the_document_is_valid_openapi_with_schemas_that_hold_their_own_examples() -> None:
    assert API.document["openapi"].startswith("3.1")
    for schema in API.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            validator(schema).validate(example)
