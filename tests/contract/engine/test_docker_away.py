"""A Docker Engine that is not there, goes away, comes back, or answers nonsense: never to be read as "nothing runs"."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from spin.engines.docker import DockerEngine
from spin.errors import EngineUnavailable
from spin.model.log import Span
from spin.model.names import InstanceId
from spin.model.stack import Network, Port
from spin.model.steps import EnsureNetwork
from support.engines import Bench, docker_engine

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(path: Path, handler: Handler) -> AsyncIterator[None]:
    """A server on a socket; at the end its connections break and the socket is gone, as when an engine is killed."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_unix_server(handle, path)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        path.unlink()  # noqa: ASYNC240 - a name in a temporary directory


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To the real engine."""
    upstream = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    far_reader, far_writer = await asyncio.open_unix_connection(upstream)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.write_eof()

    try:
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
    finally:
        far_writer.close()


def answering(status: str, body: bytes = b"{}") -> Handler:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    return answer


@asynccontextmanager
async def engine_at(bench: Bench, path: Path) -> AsyncIterator[DockerEngine]:
    async with docker_engine(bench.site, bench.secrets, bench.access, f"unix://{path}") as engine:
        yield engine


async def test_every_question_to_an_engine_that_is_not_there_says_so(docker_bench: Bench, tmp_path: Path) -> None:
    key = docker_bench.key
    async with engine_at(docker_bench, tmp_path / "no.sock") as engine:
        health = await engine.health()
        assert not health.reachable
        assert "does not answer" in health.detail
        questions = [
            engine.keys(),
            engine.observe(key),
            engine.execute(key, EnsureNetwork(Network("default"), "test")),
            engine.volumes("research"),
            engine.taken_ports(key, (Port(80, 8080),)),
            anext(engine.hints()),
            engine.log_sources(key),
            anext(engine.log(key, InstanceId("nothing"), Span())),
        ]
        for question in questions:
            with pytest.raises(EngineUnavailable):
                await question


async def test_listening_ends_when_the_engine_goes_and_work_goes_on_when_it_returns(docker_bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    async with engine_at(docker_bench, path) as engine:
        async with listening(path, pass_on):
            await engine.execute(docker_bench.key, EnsureNetwork(Network("default"), "test"))
            waiting = asyncio.create_task(anext(engine.hints()))
            assert (await engine.health()).reachable
            await engine.observe(docker_bench.key)
        with pytest.raises(EngineUnavailable):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(EngineUnavailable):
            await engine.observe(docker_bench.key)
        async with listening(path, pass_on):
            assert (await engine.observe(docker_bench.key)).networks == ("default",)


async def test_an_engine_that_refuses_to_tell_is_unavailable_and_not_empty(docker_bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    async with (
        engine_at(docker_bench, path) as engine,
        listening(path, answering("500 Oops", b'{"message": "no space left on device"}')),
    ):
        with pytest.raises(EngineUnavailable, match="disk is full"):
            await engine.observe(docker_bench.key)
        assert not (await engine.health()).reachable


async def test_something_else_than_an_engine_is_unavailable(docker_bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    async with engine_at(docker_bench, path) as engine, listening(path, answering("200 OK", b"<html>hello</html>")):
        assert not (await engine.health()).reachable
        with pytest.raises(EngineUnavailable):
            await engine.observe(docker_bench.key)


async def test_an_engine_that_does_not_answer_in_time_is_unavailable(docker_bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert not writer.is_closing()
        await reader.read()

    async with engine_at(docker_bench, path) as engine, listening(path, silent):
        assert "in time" in (await engine.health()).detail


async def test_a_stream_of_events_that_stays_silent_is_opened_anew(docker_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spin.engines.docker.events.QUIET", 0.3)
    waiting = asyncio.create_task(anext(docker_bench.engine.hints()))
    await asyncio.sleep(1)
    assert not waiting.done()
    await docker_bench.run(docker_bench.service())
    assert await asyncio.wait_for(waiting, 10) == docker_bench.key
