"""Reading and following logs over the API, with containers that are simulated."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spin.archive import FileArchive
from spin.engines.simulated import SimulatedEngine
from spin.errors import EngineUnavailable
from spin.model.log import Cursor, Line, Position, Span, known_by, last_of, stamp
from spin.model.names import DeploymentKey, InstanceId, ProjectName
from spin.model.principal import Principal, Role
from spin.model.streams import STDERR, STDOUT
from spin.reconcile.passes import Pass
from spin.usecases.log_reading import Piece
from spin.usecases.logs import LogQuery, logs
from support.api import NOW, World, eventually, key_of, path, web

PATIENCE = 60.0
"""Seconds in which every answer of these tests must have come."""
LOGS = path("shop") + "/logs"


class Talking(SimulatedEngine):
    """The simulated engine with lines of one's choice; it may go away after some of them."""

    said: Sequence[Line] | None = None
    break_after: int | None = None
    asked: Span | None = None
    closed = False

    async def log(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        self.asked = span
        if self.said is None:
            async for lines in super().log(key, id, span):
                yield lines
            return
        said = self.said
        if span.since is not None and span.until is None:
            said = [one for one in said if one[0] >= span.since]
        if span.tail is not None and span.until is None:
            said = last_of(said, span.tail)
        try:
            for number, line in enumerate(said):
                if number == self.break_after:
                    raise EngineUnavailable("The engine went away.")
                yield [line]
        finally:
            self.closed = True


@pytest.fixture
async def talking(world: World, tmp_path: Path) -> Talking:
    engine = Talking(world.clock)
    folder = tmp_path / "logs"
    archive = FileArchive(folder, world.platform.site.retention)
    await world.exchange(engines={"docker": engine}, archive=archive)
    world.passes = Pass(replace(world.passes._world, engines={"docker": engine}, archive=archive))
    await world.up()
    await world.settle()
    return engine


def line(number: int, text: bytes = b"") -> Line:
    return (stamp(NOW), STDOUT, text or b"line %d" % number)


async def read(world: World, person: str = "vera", **query: Any) -> list[dict[str, Any]]:
    answer = await world.as_(person).get(LOGS, params=query)
    assert answer.status_code == 200, answer.text
    return [json.loads(text) for text in answer.content.split(b"\n") if text]


async def test_logs_are_one_json_object_a_line_and_are_not_cut(world: World, talking: Talking) -> None:
    talking.said = [*(line(n) for n in range(5000)), line(0, "Umlaut ä, \u2028 and\ttab".encode()), line(0, b"\xff\x00\r")]
    got = await read(world)
    assert len(got) == 5002
    assert {name: value for name, value in got[7].items() if name != "id"} == {
        "instance": "shop-web-1",
        "time": "2030-05-01T12:00:00.000000000Z",
        "stream": "stdout",
        "text": "line 7",
        "bytes": None,
    }
    assert got[5000]["text"] == "Umlaut ä, \u2028 and\ttab"
    assert base64.b64decode(got[5001]["bytes"]) == b"\xff\x00\r"
    assert talking.closed


async def test_what_is_asked_for_reaches_the_engine(world: World, talking: Talking) -> None:
    talking.said = ()
    times = {"since": "2030-05-01T12:00:00Z", "until": "2030-05-01T14:00:00+01:00"}
    assert await read(world, service="web", slot="1", tail="7", **times) == []
    assert talking.asked == Span(stamp(NOW), stamp(NOW + timedelta(hours=1)), 7)


async def test_logs_of_what_is_not_there(world: World, talking: Talking) -> None:
    service = await world.as_("vera").get(LOGS + "?service=nope")
    assert service.status_code == 404
    assert "It has: web" in service.json()["detail"]
    slot = await world.as_("vera").get(LOGS + "?service=web&slot=9")
    assert (slot.status_code, slot.json()["detail"].partition(" It has: ")[2]) == (404, "1.")
    container = await world.as_("vera").get(LOGS + "?instance=nope")
    assert (container.status_code, "begins with nope" in container.json()["detail"]) == (404, True)
    assert (await world.as_("vera").get(path("nope") + "/logs")).status_code == 404
    assert (await world.as_("sam").get(LOGS)).status_code == 404
    assert (await world.as_("vera").get(path("..%2fshop") + "/logs")).status_code == 404


async def test_an_engine_that_is_gone_is_an_error_and_not_an_empty_log(world: World, talking: Talking) -> None:
    talking.reachable = False
    answer = await world.as_("vera").get(LOGS)
    assert (answer.status_code, answer.json()["code"]) == (503, "engine-unavailable")


async def test_an_engine_that_goes_away_in_the_middle_is_told_in_the_last_line(world: World, talking: Talking) -> None:
    talking.said = (line(0), line(1), line(2))
    talking.break_after = 2
    *lines, last = await read(world)
    assert [one["text"] for one in lines] == ["line 0", "line 1"]
    assert last == {"error": {"code": "engine-unavailable", "detail": "The engine went away."}}


async def test_logs_are_read_only_as_fast_as_the_client_takes_them(world: World, talking: Talking) -> None:
    """Over the bare protocol, since the client of these tests collects whole answers."""
    taken_lines = 0

    class Counting(tuple[Line, ...]):
        __slots__ = ()

        def __iter__(self) -> Any:
            nonlocal taken_lines
            for one in super().__iter__():
                taken_lines += 1
                yield one

    talking.said = Counting(line(n, b"x" * 1000) for n in range(1000))
    taken = asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            taken.set()
            await asyncio.Event().wait()  # the client takes nothing more

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": "/api/v1" + LOGS,
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
    assert taken_lines < 100
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert talking.closed


# Removed containers.


async def test_the_log_of_a_container_that_an_upgrade_has_replaced_can_be_read(world: World, talking: Talking) -> None:
    (old,) = await talking.log_sources(key_of("shop"))
    await world.up(services={"web": web(environment={"A": "2"})})
    await world.settle()
    await world.as_("dora").post(path("shop") + "/confirm", json={})
    await world.settle()
    assert old.id not in {s.id for s in await talking.log_sources(key_of("shop"))}
    assert old.id not in {one["id"] for one in await read(world)}
    everything = await read(world, removed="true")
    assert [one["text"] for one in everything if one["id"] == old.id][:2] == ["started", "ready"]
    assert [one["time"] for one in everything] == sorted(one["time"] for one in everything)
    assert {one["id"] for one in await read(world, instance=old.id[:4])} >= {old.id}


async def test_the_logs_of_a_stack_that_is_gone_are_its_projects(world: World, talking: Talking) -> None:
    await world.as_("otto").delete(path("shop"))
    await world.settle()
    assert (await world.as_("vera").get(path("shop"))).status_code == 404
    assert [one["text"] for one in await read(world)][:2] == ["started", "ready"]
    assert (await world.as_("sam").get(LOGS)).status_code == 404
    assert (await world.as_("sam").get(path("shop", project="other") + "/logs")).status_code == 404


async def test_following_what_is_gone_ends_with_what_is_kept(world: World, talking: Talking) -> None:
    await world.as_("otto").delete(path("shop"))
    await world.settle()
    assert [one["text"] for one in await read(world, follow="true")][:2] == ["started", "ready"]


# Following.


class Follower:
    """Reads as a client does, and remembers where it was."""

    def __init__(self, world: World, query: LogQuery) -> None:
        self.world = world
        self.query = replace(query, follow=True)
        self.got: list[tuple[str, str]] = []
        self.cursor = Cursor(stamp(world.clock.now()), query.since)
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        principal = Principal("vera", memberships=((ProjectName("lab"), Role.VIEWER),))
        pieces = await logs(self.world.platform, principal, "lab", "development", "shop", self.query)
        self.task = asyncio.create_task(self.read(pieces))

    async def read(self, pieces: AsyncIterator[Piece | None]) -> None:
        async for piece in pieces:
            for time, stream, text in () if piece is None else piece[1]:
                assert piece is not None
                self.got.append((piece[0].id, text.decode()))
                position = self.cursor.positions.setdefault(known_by(piece[0].id), Position(time))
                last, count = position.marks.get(stream, (b"", 0))
                position.marks[stream] = (time, count + 1 if last == time else 1)

    async def leave(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.query = replace(self.query, cursor=self.cursor)


def write(talking: Talking, *texts: str) -> None:
    for container in talking.containers(key_of("shop")):
        if container.running:
            for text in texts:
                container.log(talking._clock.now(), "stdout", text)


async def test_following_goes_on_through_an_upgrade_and_over_a_break(world: World, talking: Talking) -> None:
    follower = Follower(world, LogQuery())
    await follower.begin()
    (old,) = await talking.log_sources(key_of("shop"))
    await eventually("history", lambda: (old.id, "ready") in follower.got, PATIENCE)
    write(talking, "a", "b")  # at one and the same time
    await eventually("new lines", lambda: (old.id, "b") in follower.got, PATIENCE)
    await follower.leave()
    write(talking, "c")
    await world.up(services={"web": web(environment={"A": "2"})})
    await world.settle()
    await world.as_("dora").post(path("shop") + "/confirm", json={})
    await world.settle()
    (new,) = await talking.log_sources(key_of("shop"))
    await follower.begin()
    await eventually("the new container", lambda: (new.id, "ready") in follower.got, PATIENCE)
    write(talking, "d")
    await eventually("its lines", lambda: (new.id, "d") in follower.got, PATIENCE)
    await world.as_("otto").delete(path("shop"))
    await world.settle()
    assert follower.task is not None
    async with asyncio.timeout(PATIENCE):
        await follower.task  # there is nothing to follow any more
    assert [text for i, text in follower.got if i == old.id][:5] == ["started", "ready", "a", "b", "c"]
    assert [text for i, text in follower.got if i == new.id][:3] == ["started", "ready", "d"]
    assert [one["text"] for one in await read(world) if one["id"] == old.id] == [t for i, t in follower.got if i == old.id]
    assert [one["text"] for one in await read(world) if one["id"] == new.id] == [t for i, t in follower.got if i == new.id]


async def test_the_last_lines_and_what_follows_are_told_once_though_streams_are_out_of_order(
    world: World, talking: Talking
) -> None:
    def at(second: float, stream: int, text: bytes) -> Line:
        return (stamp(NOW + timedelta(seconds=second)), stream, text)

    same = [at(1, STDOUT, b"same")] * 3
    talking.said = [at(0, STDOUT, b"first"), *same, at(1.2, STDERR, b"late"), at(1.1, STDOUT, b"last")]
    follower = Follower(world, LogQuery(tail=3))
    await follower.begin()
    await eventually("the last lines", lambda: len(follower.got) >= 3, PATIENCE)
    talking.said = [*talking.said, at(1.3, STDERR, b"new"), at(1.3, STDERR, b"new")]
    await eventually("what follows", lambda: len(follower.got) >= 5, PATIENCE)
    await follower.leave()
    assert [text for _, text in follower.got] == ["same", "late", "last", "new", "new"]
    follower = Follower(world, LogQuery(tail=1))
    talking.said = [at(0, STDOUT, b"first"), at(1.2, STDERR, b"late"), at(1.1, STDOUT, b"last")]
    await follower.begin()
    await eventually("the last line", lambda: len(follower.got) >= 1, PATIENCE)
    talking.said = [*talking.said, at(1.3, STDERR, b"new")]
    await eventually("what follows", lambda: len(follower.got) >= 2, PATIENCE)
    await follower.leave()
    assert [text for _, text in follower.got] == ["last", "new"]


async def test_following_begins_with_the_logs_of_removed_containers_where_they_are_asked_for(
    world: World, talking: Talking
) -> None:
    (old,) = await talking.log_sources(key_of("shop"))
    await world.up(services={"web": web(environment={"A": "2"})})
    await world.settle()
    await world.as_("dora").post(path("shop") + "/confirm", json={})
    await world.settle()
    (new,) = await talking.log_sources(key_of("shop"))
    follower = Follower(world, LogQuery(removed=True))
    await follower.begin()
    await eventually("history", lambda: (new.id, "ready") in follower.got, PATIENCE)
    write(talking, "a")
    await eventually("new lines", lambda: (new.id, "a") in follower.got, PATIENCE)
    await follower.leave()
    write(talking, "b")
    await follower.begin()
    await eventually("newer lines", lambda: (new.id, "b") in follower.got, PATIENCE)
    await follower.leave()
    assert [text for i, text in follower.got if i == old.id][:2] == ["started", "ready"]
    assert [text for i, text in follower.got if i == new.id] == ["started", "ready", "a", "b"]
    assert len([text for i, text in follower.got if i == old.id and text == "ready"]) == 1


async def test_many_followers_share_one_stream_of_the_engine(world: World, talking: Talking) -> None:
    world.clock.forward(timedelta(seconds=1))
    followers = [Follower(world, LogQuery(tail=0)) for _ in range(20)]
    for follower in followers:
        await follower.begin()
    hubs = world.platform.hubs
    await eventually("all follow", lambda: hubs.followers == 20, PATIENCE)
    assert hubs.streams == 1
    write(talking, "x")
    await eventually("all have it", lambda: all([t for _, t in f.got] == ["x"] for f in followers), PATIENCE)
    for follower in followers:
        await follower.leave()
    assert (hubs.streams, hubs.followers) == (0, 0)
