"""Waiting for news, and reading logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from spin.engines.simulated import SimulatedEngine
from spin.errors import EngineUnavailable
from spin.model.names import DeploymentKey
from spin.ports.engine import LogLine, LogQuery
from spin.usecases import stacks
from support.api import NOW, World, eventually, key_of, path, web

PATIENCE = 5.0
"""Seconds in which every answer of these tests must have come; the waits asked for are longer."""


async def token(world: World) -> str:
    return str((await world.as_("vera").get(path("shop"))).json()["token"])


def watch(world: World, seen: str, wait: float = 20) -> asyncio.Task[Any]:
    return asyncio.create_task(world.as_("vera").get(path("shop"), params={"seen": seen, "wait": wait}))


async def waiting(world: World, count: int = 1) -> None:
    """Until that many requests wait for news of the stack."""
    waiters = world.platform.notifier._waiting
    await eventually(f"{count} waiting", lambda: len(waiters.get(key_of("shop"), ())) == count, PATIENCE)


async def test_a_watcher_is_answered_when_something_changes_and_not_before(world: World) -> None:
    await world.up()
    seen = await token(world)
    watchers = [watch(world, seen) for _ in range(3)]
    await waiting(world, 3)
    assert not any(w.done() for w in watchers)
    await world.as_("dora").post(path("shop") + "/stop", json={})
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*watchers)
    assert {a.json()["generation"] for a in answers} == {2}
    assert world.platform.notifier._waiting == {}


async def test_a_watcher_follows_the_controller_to_the_end(world: World) -> None:
    await world.up(services={"web": web(x_spin={"http": 8080})})
    states: list[str] = []

    async def follow() -> None:
        seen = ""
        while not states or states[-1] != "healthy":
            view = (await watch(world, seen)).json()
            seen = view["token"]
            states.append(view["state"])

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(follow(), world.settle())
    assert states[-1] == "healthy"


async def test_another_token_is_answered_at_once(world: World) -> None:
    await world.up()
    async with asyncio.timeout(PATIENCE):
        assert (await watch(world, "something-older")).status_code == 200


async def test_without_news_the_same_view_comes_when_the_time_is_over(world: World) -> None:
    await world.up()
    seen = await token(world)
    answer = await watch(world, seen, wait=0.05)
    assert (answer.status_code, answer.json()["token"]) == (200, seen)


async def test_a_change_that_nobody_told_of_is_seen_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "LOOK_EVERY", 0.05)
    await world.up()
    watcher = watch(world, await token(world))
    await waiting(world)
    async with world.store.begin(write=True) as work:
        deployment = await work.deployment(key_of("shop"))
        assert deployment is not None
        await work.save_deployment(deployment)
    async with asyncio.timeout(PATIENCE):
        assert (await watcher).json()["generation"] == 2


async def test_a_stack_that_vanishes_under_the_watcher_is_answered_once_as_removed(world: World) -> None:
    await world.up()
    await world.settle()
    await world.as_("dora").delete(path("shop"))
    watcher = watch(world, await token(world))
    await waiting(world)
    async with world.store.begin(write=True) as work:
        await work.delete_deployment(key_of("shop"))
    world.platform.notifier.poke(key_of("shop"))
    async with asyncio.timeout(PATIENCE):
        view = (await watcher).json()
    assert (view["state"], view["settled"], view["containers"]) == ("removed", True, [])
    assert (await watch(world, view["token"])).status_code == 404


async def test_when_the_platform_goes_down_all_who_wait_are_answered(world: World) -> None:
    await world.up()
    seen = await token(world)
    watcher = watch(world, seen)
    await waiting(world)
    world.platform.notifier.close()
    async with asyncio.timeout(PATIENCE):
        assert (await watcher).json()["token"] == seen
        assert (await watch(world, seen)).json()["token"] == seen


class Talking(SimulatedEngine):
    """The simulated engine with lines of one's choice; it may go away after some of them."""

    lines: tuple[LogLine, ...] = ()
    break_after: int | None = None
    asked: LogQuery | None = None
    closed = False

    async def logs(self, _key: DeploymentKey, query: LogQuery) -> AsyncIterator[LogLine]:
        self._answer()
        self.asked = query
        try:
            for number, line in enumerate(self.lines):
                if number == self.break_after:
                    raise EngineUnavailable("The engine went away.")
                yield line
        finally:
            self.closed = True


@pytest.fixture
async def talking(world: World) -> Talking:
    engine = Talking(world.clock)
    await world.exchange(engines={"docker": engine})
    await world.up()
    return engine


def line(number: int, text: str = "") -> LogLine:
    return LogLine("shop-web-1", NOW, "stdout", text or f"line {number}")


async def test_logs_are_one_json_object_a_line_and_are_not_cut(world: World, talking: Talking) -> None:
    talking.lines = (*(line(n) for n in range(5000)), line(0, "Umlaut ä, \u2028, \ud800 and\ttab"))
    answer = await world.as_("vera").get(path("shop") + "/logs")
    assert answer.headers["content-type"] == "application/x-ndjson"
    got = [json.loads(text) for text in answer.content.split(b"\n") if text]
    assert len(got) == 5001
    assert got[7] == {"instance": "shop-web-1", "time": "2030-05-01T12:00:00+00:00", "stream": "stdout", "text": "line 7"}
    assert talking.closed


async def test_what_is_asked_for_reaches_the_engine(world: World, talking: Talking) -> None:
    query = {"service": "web", "slot": "2", "tail": "7", "since": "2030-05-01T12:00:00Z"}
    assert (await world.as_("vera").get(path("shop") + "/logs", params=query)).content == b""
    assert talking.asked == LogQuery(service="web", slot=2, tail=7, since=NOW)


async def test_logs_of_what_is_not_there(world: World, talking: Talking) -> None:
    service = await world.as_("vera").get(path("shop") + "/logs?service=nope")
    assert service.status_code == 404
    assert "It has: web" in service.json()["detail"]
    assert (await world.as_("vera").get(path("nope") + "/logs")).status_code == 404


async def test_an_engine_that_is_gone_is_an_error_and_not_an_empty_log(world: World, talking: Talking) -> None:
    talking.reachable = False
    answer = await world.as_("vera").get(path("shop") + "/logs")
    assert (answer.status_code, answer.json()["code"]) == (503, "engine-unavailable")


async def test_an_engine_that_goes_away_in_the_middle_is_told_in_the_last_line(world: World, talking: Talking) -> None:
    talking.lines = (line(0), line(1), line(2))
    talking.break_after = 2
    answer = await world.as_("vera").get(path("shop") + "/logs")
    *lines, last = [json.loads(text) for text in answer.content.splitlines()]
    assert [one["text"] for one in lines] == ["line 0", "line 1"]
    assert last == {"error": {"code": "engine-unavailable", "detail": "The engine went away."}}


async def test_logs_are_read_only_as_fast_as_the_client_takes_them(world: World, talking: Talking) -> None:
    """Over the bare protocol, since the client of these tests collects whole answers."""
    read = 0

    class Counting(tuple[LogLine, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            nonlocal read
            for one in super().__iter__():
                read += 1
                yield one

    talking.lines = Counting(line(n, "x" * 1000) for n in range(1000))
    taken = asyncio.Event()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            taken.set()
            await asyncio.Event().wait()  # the client takes nothing more

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": "/api/v1" + path("shop") + "/logs",
        "raw_path": b"",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {world.keys['vera']}".encode())],
        "scheme": "http",
        "server": ("spin.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "http_version": "1.1",
    }
    request = asyncio.create_task(world.app(scope, receive, send))
    async with asyncio.timeout(PATIENCE):
        await taken.wait()
    assert read < 40
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert talking.closed
