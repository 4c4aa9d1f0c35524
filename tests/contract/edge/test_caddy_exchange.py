"""Containers of a host are exchanged: no visitor notices, no connection is closed, and who has left gets nothing more."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import threading
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

import pytest

from spin.model.observed import Route
from support.backends import Backend
from support.processes import soon

WEB = "web.shop.development.spin.localhost"
OWNER, OTHER = "physics/development/shop", "physics/development/other"
UNNOTICED = 0.05
"""Seconds within which a request that the edge is just sending shows at its backend."""


def to(*backends: Backend) -> Route:
    return Route(WEB, OWNER, tuple(sorted(b.target for b in backends)))


@dataclass
class Visitors:
    """Threads that ask without a pause, never a second time: on kept connections and on new ones, GET and POST."""

    port: int
    names: tuple[str, ...]
    turn: int = 0
    """Which of the names is in force since the latest change that has returned."""
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def __aenter__(self) -> Self:
        kinds = [(method, keep) for method in ("GET", "POST") for keep in (True, False)]
        self._tasks = [asyncio.create_task(asyncio.to_thread(self._visit, *kind)) for kind in kinds]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        await asyncio.gather(*self._tasks)

    def _visit(self, method: str, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self._done.is_set():
            before = self.turn
            try:
                connection.request(method, "/", body=b"x" * 3000 if method == "POST" else None, headers={"Host": WEB})
                answer = connection.getresponse()
                answer.read()
                self._check(answer, before)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{method}, {'kept' if keep else 'new'} connection: {error!r}")
                connection.close()
            if not keep:
                connection.close()
        connection.close()

    def _check(self, answer: http.client.HTTPResponse, before: int) -> None:
        allowed = {self.names[turn % len(self.names)] for turn in range(before, self.turn + 2)}
        with self._lock:
            self.answers += 1
            if answer.status != 200 or answer.headers["X-Name"] not in allowed:
                self.failures.append(f"{answer.status} from {answer.headers['X-Name']}, not from {allowed}")


async def test_two_hundred_exchanges_under_load_lose_and_double_no_request(front):
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(f"web-{n}")) for n in range(3)]
        await front.edge.set_routes(OWNER, (to(backends[0]),))
        async with Visitors(front.port, tuple(b.name for b in backends)) as visitors:
            for turn in range(1, 201):
                await front.edge.set_routes(OWNER, (to(backends[turn % 3]),))
                visitors.turn = turn
        assert visitors.failures == []
        assert visitors.answers == sum(b.requests for b in backends) > 200


async def test_containers_that_end_when_they_have_drained_lose_no_request(front):
    async with AsyncExitStack() as stack:
        current = await stack.enter_async_context(Backend("0"))
        await front.edge.set_routes(OWNER, (to(current),))
        async with Visitors(front.port, tuple(str(n) for n in range(21))) as visitors:
            for turn in range(1, 21):
                new = await stack.enter_async_context(Backend(str(turn)))
                await front.edge.set_routes(OWNER, (to(new),))
                visitors.turn = turn
                await asyncio.sleep(UNNOTICED)
                await soon(lambda old=current: old.busy == 0, "drained")
                await current.close()
                current = new
        assert visitors.failures == []
        assert visitors.answers > 100


async def test_a_request_in_flight_ends_well_though_its_target_was_removed(front):
    async with Backend("old") as old, Backend("new") as new:
        await front.edge.set_routes(OWNER, (to(old),))
        visit = asyncio.create_task(front.get(WEB, "/slow"))
        await old.started.wait()
        await front.edge.set_routes(OWNER, (to(new),))
        assert await front.name(WEB) == "new"
        old.release.set()
        answer = await visit
        assert (answer.status_code, answer.headers["x-name"]) == (200, "old")


async def test_streams_and_websockets_go_on_after_their_target_has_left(front):
    async with Backend("old") as old, Backend("new") as new:
        await front.edge.set_routes(OWNER, (to(old),))
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(f"GET /ws HTTP/1.1\r\nHost: {WEB}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        url = f"http://127.0.0.1:{front.port}/stream"
        async with front.visitors.stream("GET", url, headers={"Host": WEB}) as answer:
            lines = answer.aiter_lines()
            for routes in (to(old), to(new), Route(WEB, OWNER, ())):
                await front.edge.set_routes(OWNER, (routes,))
                writer.write(b"still there?")
                assert await asyncio.wait_for(reader.readexactly(12), 5) == b"still there?"
                old.lines.put_nowait(b"a line\n")
                assert await asyncio.wait_for(anext(lines), 5) == "a line"
            old.lines.put_nowait(None)
            assert [line async for line in lines] == []
        writer.close()
        await writer.wait_closed()


async def test_connections_of_visitors_stay_open_and_those_to_a_target_that_left_are_never_used_again(front):
    async with Backend("old") as old, Backend("new") as new:
        await front.edge.set_routes(OWNER, (to(old),))
        assert [await front.name(WEB) for _ in range(30)] == ["old"] * 30
        assert old.connections > 0  # kept by the edge for the next request
        await front.edge.set_routes(OWNER, (to(new),))
        assert [await front.name(WEB) for _ in range(30)] == ["new"] * 30
        assert old.requests == 30
        (connection,) = front.visitors._transport._pool.connections
        assert "Request Count: 60" in connection.info()


async def test_a_target_that_has_left_is_soon_free_of_connections(front):
    async with Backend("old") as old, Backend("new") as new:
        await front.edge.set_routes(OWNER, (to(old),))
        await front.name(WEB)
        await front.edge.set_routes(OWNER, (to(new),))
        await soon(lambda: old.connections == 0, "the edge's connections to it are closed", within=2)


async def test_scaling_up_and_down_closes_no_connection_of_a_visitor(front):
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(f"api-{n}")) for n in range(10)]
        for number in (2, 5, 1, 10, 1):
            await front.edge.set_routes(OWNER, (to(*backends[:number]),))
            met = {await front.name(WEB) for _ in range(200)}
            assert met == {f"api-{n}" for n in range(number)}
        (connection,) = front.visitors._transport._pool.connections
        assert "Request Count: 1000" in connection.info()


async def test_more_targets_than_upstreams_so_far_are_all_met(front):
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(f"api-{n}")) for n in range(30)]
        await front.edge.set_routes(OWNER, (to(*backends[:2]),))
        await front.edge.set_routes(OWNER, (to(*backends),))
        shares = Counter([await front.name(WEB) for _ in range(1500)])
        assert len(shares) == 30
        assert max(shares.values()) < 4 * 1500 / 30


async def test_the_same_routes_again_are_no_change(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        files = sorted((front.directory / "targets" / WEB).iterdir())
        before = [file.lstat().st_ino for file in files]
        await front.edge.set_routes(OWNER, (to(backend),))
        assert [file.lstat().st_ino for file in files] == before


async def test_a_host_without_containers_gets_some_and_loses_them_without_a_visitor_losing_the_connection(front):
    async with Backend() as backend:
        statuses = []
        for routes in (Route(WEB, OWNER, ()), to(backend), Route(WEB, OWNER, ())):
            await front.edge.set_routes(OWNER, (routes,))
            statuses.append((await front.get(WEB)).status_code)
        assert statuses == [503, 200, 503]
        assert "Request Count: 3" in front.visitors._transport._pool.connections[0].info()


@pytest.mark.parametrize("harm", ["missing", "empty", "other", "a file"])
async def test_a_file_that_is_not_as_it_was_written_shows_and_is_put_right(front, harm):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        file = front.directory / "targets" / WEB / "7"
        if harm == "missing":
            file.unlink()
        elif harm == "a file":
            file.unlink()
            file.write_text("127.0.0.1:9")
        else:
            file.write_text("" if harm == "empty" else "127.0.0.1:9")
        assert await front.edge.routes(OWNER) != (to(backend),)
        await front.edge.set_routes(OWNER, (to(backend),))
        assert await front.edge.routes(OWNER) == (to(backend),)
        assert file.read_text() == backend.target


async def test_a_change_that_was_cut_short_shows(front):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()),))
    (front.directory / "targets" / WEB / "0").unlink()
    other = Route("other.example.org", OTHER, ("127.0.0.1:9",))
    await front.edge.set_routes(OTHER, (other,))
    shutil.copy(front.directory / "targets" / other.host / "0", front.directory / "targets" / WEB / "0", follow_symlinks=False)
    assert await front.edge.routes(OWNER) != (Route(WEB, OWNER, ()),)
    assert await front.edge.routes(OWNER) != (Route(WEB, OWNER, ("127.0.0.1:9",)),)


async def test_the_files_of_a_host_go_with_it(front):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()), Route("two.example.org", OWNER, ())))
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()),))
    assert [folder.name for folder in (front.directory / "targets").iterdir()] == [WEB]


async def test_files_of_targets_that_nothing_leads_to_are_removed_in_the_end(front, monkeypatch):
    monkeypatch.setattr("spin.edge.targets._SPARE", 5)
    for number in range(20):
        await front.edge.set_routes(OWNER, (Route(WEB, OWNER, (f"127.0.0.1:{number + 1}",)),))
    await front.edge.set_routes(OTHER, (Route("other.example.org", OTHER, ("127.0.0.1:9",)),))
    assert {text.name for text in (front.directory / "to").iterdir()} == {"127.0.0.1:20", "127.0.0.1:9"}
