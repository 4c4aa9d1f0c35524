"""Whoever can reach the API's port can open connections: whatever they do or leave undone there, the others are served."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spin.api import build, connections
from spin.api.middleware import Bodies, SignIn
from support.api import new_world
from support.served_api import Served, served_api

CROWD = 40
PROJECTS = "/api/v1/projects"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "CROWD", CROWD)
    monkeypatch.setattr(connections, "LEAVE", 10)
    monkeypatch.setitem(connections.SERVER, "limit_concurrency", CROWD + 5)  # type: ignore[index]  # a dict, which nobody else changes
    with served_api(tmp_path) as served:
        yield served


def address(served: Served) -> tuple[str, int]:
    parts = urlsplit(served.url)
    return str(parts.hostname), int(parts.port or 0)


def asked(served: Served, person: str = "dora", path: str = PROJECTS) -> int:
    return httpx.get(served.url + path, headers={"Authorization": f"Bearer {served.keys[person]}"}, timeout=30).status_code


def has_ended(connection: socket.socket) -> bool:
    connection.settimeout(30)
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /api/v1/projects HTTP/1.1\r\nHost: x\r\n", id="half a head"),
        pytest.param(
            b"PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n{",
            id="half a body",
        ),
        pytest.param(b"GET /api/v1/site HTTP/1.1\r\nHost: x\r\n\r\n", id="an answer that is not read"),
    ],
)
def test_strangers_connections_keep_nobody_out(served: Served, begun: bytes) -> None:
    with contextlib.ExitStack() as held:
        crowd = [held.enter_context(socket.create_connection(address(served))) for _ in range(3 * CROWD)]
        for connection in crowd:
            with contextlib.suppress(ConnectionError):  # the oldest have been sent away by now
                connection.sendall(begun)
        assert [asked(served) for _ in range(5)] == [200] * 5
        assert has_ended(crowd[0]), "the oldest have left"


def test_a_head_has_to_come_in_time(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    with socket.create_connection(address(served)) as silent, socket.create_connection(address(served)) as slow:
        slow.sendall(b"GET /api/v1/site HTTP/1.1\r\nHost: x\r\n")
        assert has_ended(silent)
        assert has_ended(slow)
    kept = http.client.HTTPConnection(*address(served), timeout=30)
    with contextlib.closing(kept):
        kept.request("GET", "/api/v1/site")
        assert kept.getresponse().read()
        assert kept.sock is not None
        kept.sock.sendall(b"GET /api/v1/si")  # the head of the next request
        assert has_ended(kept.sock)


def test_a_request_that_takes_long_is_nobodys_concern(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    assert asked(served, path="/api/v1/projects/lab/events?after=0&wait=1") == 200


class Held:
    """An application that answers once it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.go.wait()
        await Response("done")(scope, receive, send)


async def answered(asked: list[asyncio.Task[httpx.Response]], count: int) -> None:
    while sum(task.done() for task in asked) < count:
        await asyncio.wait([task for task in asked if not task.done()], return_when="FIRST_COMPLETED")


async def test_one_person_does_not_take_the_server_for_herself(tmp_path: Path) -> None:
    async with new_world(tmp_path) as world:
        app = Held()
        people = {name: client(SignIn(app, world.platform, 3), world.keys[name]) for name in ("dora", "otto")}
        asked = [asyncio.create_task(people["dora"].get(PROJECTS)) for _ in range(6)]
        await answered(asked, 3)
        other = asyncio.create_task(people["otto"].get(PROJECTS))
        app.go.set()
        assert (await other).status_code == 200
        assert sorted([(await task).status_code for task in asked]) == [200] * 3 + [429] * 3
        assert (await people["dora"].get(PROJECTS)).status_code == 200


async def test_of_one_persons_bodies_only_so_much_is_held(tmp_path: Path) -> None:
    async with new_world(tmp_path) as world:
        app = Held()
        dora = client(SignIn(Bodies(app, share=1000), world.platform), world.keys["dora"])
        asked = [asyncio.create_task(dora.put(PROJECTS, content=b"x" * 900)) for _ in range(3)]
        await answered(asked, 2)
        app.go.set()
        assert (await dora.put(PROJECTS, content=b"x" * 100)).status_code == 200
        assert sorted([(await task).status_code for task in asked]) == [200, 429, 429]
        assert (await dora.put(PROJECTS, content=b"x" * 900)).status_code == 200


async def test_what_strangers_send_is_not_read(tmp_path: Path) -> None:
    async with new_world(tmp_path) as world:
        read: list[bytes] = []

        async def body() -> AsyncIterator[bytes]:
            read.append(b"x")
            yield b"{"

        anybody = httpx.AsyncClient(transport=httpx.ASGITransport(app=build(world.platform)), base_url="http://spin.test")
        for method, where in (("PUT", "/nowhere"), ("POST", "/api/v1/site"), ("PUT", PROJECTS)):
            answer = await anybody.request(method, where, content=body(), headers={"Content-Type": "application/json"})
            assert answer.status_code in (401, 404, 405)
        assert not read


def client(app: ASGIApp, key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://spin.test", headers={"Authorization": f"Bearer {key}"})
