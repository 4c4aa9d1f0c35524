"""Whatever goes wrong is answered as a problem, with one shape, and tells nothing that it should not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from spin.api import build
from spin.api.middleware import BODY_LIMIT
from spin.api.schemas import DeployIn, PromoteIn, SecretIn, SubmissionIn, UserIn
from spin.errors import EngineUnavailable, Failed, SpinError
from spin.usecases.keys import NewKey
from support.api import LAB, World, path, submission

MEMBERS = {"type", "title", "status", "detail", "code", "fields"}


def check_shape(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"urn:spin:problem:{problem['code']}"
    return problem


@pytest.mark.parametrize(
    ("method", "where", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not-found"),
        ("GET", "/whoami/", 404, "not-found"),
        ("PATCH", "/whoami", 405, "invalid-input"),
        ("DELETE", "/site", 405, "invalid-input"),
        ("GET", path("shop") + "?wait=31&seen=x", 422, "invalid-input"),
        ("GET", path("shop") + "?wait=nan&seen=x", 422, "invalid-input"),
        ("GET", path("shop") + "/logs?since=yesterday", 422, "invalid-input"),
        ("GET", path("shop") + "/logs?since=2030-05-01T00:00:00", 422, "invalid-input"),
        ("GET", path("shop") + "/logs?slot=0", 422, "invalid-input"),
        ("GET", path("s" * 129), 422, "invalid-input"),
        ("GET", "/projects/a%00b/members", 422, "invalid-input"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_too(world: World, method: str, where: str, status: int, code: str) -> None:
    answer = await world.as_("root").request(method, where)
    problem = check_shape(answer)
    assert (problem["status"], problem["code"]) == (status, code)


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


GOOD = submission()
BODIES: dict[str, Any] = {
    "no JSON": b"{not json",
    "not UTF-8": b'{"submission": "\xff"}',
    "a list": [],
    "nothing": {},
    "an unknown key": {"submission": GOOD, "froce": True},
    "no such thing to do after a failure": {"submission": GOOD, "on_failure": "explode"},
    "an unknown key inside": {"submission": GOOD | {"extra": 1}},
    "a document that is a text": {"submission": GOOD | {"document": "services: {}"}},
    "base64 that is none": {"submission": GOOD | {"secrets": {"p": "***"}}},
    "base64 that is a number": {"submission": GOOD | {"secrets": {"p": 5}}},
    "a negative generation": {"submission": GOOD, "expect_generation": -1},
    "a note of two lines": {"submission": GOOD, "note": "a\nb"},
    "a note without end": {"submission": GOOD, "note": "a" * 501},
    "too deep": {"submission": GOOD | {"document": {"services": nested(40)}}},
    "deep enough to exhaust the parser": b'{"submission": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number that is none": b'{"submission": {"document": {"services": NaN}}}',
    "a number without end": b'{"submission": {"document": {"services": ' + b"9" * 5000 + b"}}}",
    "a large number": {"submission": GOOD | {"document": {"services": 2**63}}},
    "half a character": b'{"submission": {"document": {"services": "\\ud800"}}}',
    "half a character in a key": b'{"submission": {"document": {"\\ud800": "a"}}}',
    "half a character in a name": b'{"submission": {"document": {}, "configs": {"\\ud800": "YQ=="}}}',
    "a NUL": {"submission": GOOD | {"document": {"services": "a\0b"}}},
    "too many entries": {"submission": GOOD | {"document": {"services": [0] * 200_001}}},
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_does_not_fit_is_refused_with_its_place_and_changes_nothing(world: World, name: str) -> None:
    before = await world.rows()
    body = BODIES[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await world.as_("dora").put(path("shop"), content=content, headers={"Content-Type": "application/json"})
    problem = check_shape(answer)
    assert (problem["status"], problem["code"]) == (422, "invalid-input")
    assert await world.rows() == before


async def test_a_body_without_its_content_type_is_not_read_as_json(world: World) -> None:
    answer = await world.as_("dora").put(path("shop"), content=json.dumps({"submission": GOOD}).encode())
    assert check_shape(answer)["status"] == 422


async def test_validation_never_repeats_what_was_sent(world: World) -> None:
    hidden = "hunter2-hunter2"
    bad = {"submission": GOOD | {"secrets": {"p": f"{hidden}%"}, "document": {"x": f"{hidden}\0"}}}
    answers = [
        await world.as_("dora").put(path("shop"), json=bad),
        await world.as_("root").post("/users", json={"name": "x", "password": [hidden]}),
        await world.as_("root").post("/users", json={"name": "x", "password": f"{hidden}\0"}),
        await world.as_("dora").put(path("shop"), content=f'{{"{hidden}'.encode(), headers={"Content-Type": "application/json"}),
    ]
    for answer in answers:
        assert check_shape(answer)["status"] == 422
        assert hidden not in answer.text


def test_what_is_secret_is_in_no_representation() -> None:
    sent = submission(secrets={"p": b"hunter2"})
    shown = [
        SubmissionIn(**sent),
        SubmissionIn(**sent).value(),
        DeployIn(submission=SubmissionIn(**sent)),
        PromoteIn(to="production", secrets=sent["secrets"]),
        SecretIn(value=sent["secrets"]["p"]),
        UserIn(name="x", password="hunter2"),
        NewKey("id", "laptop", "hunter2", None),
    ]
    assert all("hunter2" not in repr(value) and sent["secrets"]["p"] not in repr(value) for value in shown)


async def test_a_large_body_is_refused_when_announced(world: World) -> None:
    answer = await world.as_("dora").put(path("shop"), content=b" " * (BODY_LIMIT + 1))
    assert check_shape(answer)["code"] == "invalid-input"
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "many", "1e3"])
async def test_a_length_that_is_none_is_refused(world: World, length: str) -> None:
    answer = await world.as_("dora").put(path("shop"), content=b"{}", headers={"Content-Length": length})
    assert check_shape(answer)["status"] == 413


async def test_a_large_body_in_pieces_is_refused_while_it_is_read(world: World) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 256 * 1024
            yield b" " * (256 * 1024)

    answer = await world.as_("dora").put(path("shop"), content=body(), headers={"Content-Type": "application/json"})
    assert check_shape(answer)["status"] == 413
    assert sent <= BODY_LIMIT + 512 * 1024


def client_of(world: World, router: APIRouter) -> httpx.AsyncClient:
    app = build(world.platform, extra_routers=[router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://spin.test")


async def test_a_bug_is_answered_with_a_number_and_logged_with_its_traceback(world: World) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the boiler is on fire")

    async with client_of(world, router) as client:
        with capture_logs() as logs:
            answer = await client.get("/broken", headers={"X-Request-Id": "request-4711"})
    problem = check_shape(answer)
    assert (problem["status"], problem["code"]) == (500, "failed")
    assert "request-4711" in problem["detail"]
    assert "boiler" not in answer.text
    assert "Traceback" not in answer.text
    [entry] = [e for e in logs if e["log_level"] == "error"]
    assert entry["exc_info"]


@pytest.mark.parametrize(
    "error", [EngineUnavailable("The engine is away."), Failed("It went wrong.", reason="r"), SpinError("?")]
)
async def test_routers_from_elsewhere_get_the_same_errors(world: World, error: SpinError) -> None:
    router = APIRouter()

    @router.get("/elsewhere")
    async def elsewhere() -> None:
        raise error

    async with client_of(world, router) as client:
        problem = check_shape(await client.get("/elsewhere"))
    assert (problem["code"], problem["detail"], problem["fields"]) == (error.code, error.message, error.fields)


async def test_each_answer_carries_the_requests_identifier(world: World) -> None:
    given = await world.as_("").get("/site", headers={"X-Request-Id": "abcdefgh-1"})
    made = await world.as_("").get("/whoami", headers={"X-Request-Id": "bad id"})
    assert given.headers["X-Request-Id"] == "abcdefgh-1"
    assert len(made.headers["X-Request-Id"]) == 32
    assert given.headers["X-Content-Type-Options"] == "nosniff"
    assert given.headers["Cache-Control"] == "no-store"


async def test_the_site_tells_a_client_what_it_needs_before_signing_in(world: World) -> None:
    site = (await world.as_("").get("/site")).json()
    assert site["registry"] == "localhost:5000"
    assert site["domain"] == "spin.localhost"
    assert [c["name"] for c in site["port_classes"]] == ["public", "institution", "site"]
    assert [e["name"] for e in site["environments"]] == ["development", "production", "sandbox"]


async def test_the_openapi_document_has_a_summary_and_a_noun_for_each_endpoint(world: World) -> None:
    document = (await world.as_("").get("/openapi.json")).json()
    operations = [o for methods in document["paths"].values() for o in methods.values()]
    assert len(operations) > 30
    assert all(o["summary"] and o["tags"] for o in operations)


async def test_a_body_with_more_entries_than_any_document_has_is_refused_before_it_is_read(world: World) -> None:
    entries = b'{"submission": {"document": {"x-a": [' + b"[]," * 400_000 + b"[]]}}}"
    answer = await world.as_("dora").put(path("shop"), content=entries, headers={"Content-Type": "application/json"})
    assert check_shape(answer)["status"] == 422
    assert "300000 entries" in answer.json()["detail"]


async def test_characters_within_strings_are_no_entries(world: World) -> None:
    text = 'a, [b], {c} and \\" ' * 40_000
    body = f'{{"submission": {{"document": {{"services": {{"web": {{"image": "{LAB}/web:1"}}}}, "x-a": "{text}"}}}}}}'
    answer = await world.as_("dora").put(path("shop"), content=body.encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
