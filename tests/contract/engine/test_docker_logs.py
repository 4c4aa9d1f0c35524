"""Logs of real containers: whatever was written, once and in order, while containers come and go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spin.archive import FileArchive
from spin.model.log import Cursor, Line, LogSource, Span, stamp
from spin.model.observed import Instance, Phase
from spin.model.stack import Restart
from spin.model.steps import Remove, Start, Stop
from spin.model.streams import STDERR, STDOUT
from spin.site import Retention
from spin.usecases.log_following import Following
from spin.usecases.log_hub import Hubs
from spin.usecases.log_reading import LogReader, merged
from support.engines import SECONDS, Bench
from support.platform import docker

COUNTING = "$| = 1; $SIG{TERM} = sub { print qq(end\\n); exit 0 }; for (my $n = 0; ; $n++) { print qq($n\\n); print STDERR qq($n\\n) if $n % 7 == 0; select(undef, undef, undef, 0.01) }"  # noqa: E501 - one program
"""Prints numbers for ever, and every seventh to stderr, too; says goodbye."""


async def lines(bench: Bench, instance: Instance, span: Span | None = None) -> list[Line]:
    return [line async for some in bench.engine.log(bench.key, instance.id, span or Span()) for line in some]


def texts(found: list[Line], stream: int = STDOUT) -> list[bytes]:
    return [text for _, which, text in found if which == stream]


async def ended(bench: Bench, name: str, program: str, *, slot: int = 1) -> Instance:
    spec = bench.service(name, command=("perl", "-e", "$| = 1; " + program), restart=Restart.NO)
    made = await bench.run(spec, slot=slot)
    await bench.until_phase(made, Phase.EXITED)
    return made


async def test_the_log_of_an_ended_container_is_complete_whatever_was_written(docker_bench: Bench) -> None:
    program = r'print "x" x 1048576, "\n"; print "\xff\xfe\0\e[2J \n"; print "\n"; print STDERR "oops\r\n"; print "no end"'
    made = await ended(docker_bench, "web", program)
    found = await lines(docker_bench, made)
    assert texts(found) == [b"x" * 2**20, b"\xff\xfe\0\x1b[2J ", b"", b"no end"]
    assert texts(found, STDERR) == [b"oops\r"]


async def test_logs_of_several_containers_are_merged_by_time(docker_bench: Bench) -> None:
    tick = 'for (1..5) { print "%s $_\\n"; select(undef, undef, undef, 0.2) }'
    specs = [docker_bench.service(n, command=("perl", "-e", "$| = 1; " + tick % n), restart=Restart.NO) for n in ("web", "api")]
    made = [await docker_bench.create(spec) for spec in specs]
    for each in made:
        await docker_bench.engine.execute(docker_bench.key, Start(each.id, each.name, "test"))
    for each in made:
        await docker_bench.until_phase(each, Phase.EXITED)
    reader = LogReader(docker_bench.engine, None, docker_bench.key)
    sources = [(source, reader.read(source, Span())) for source in await reader.sources()]
    seen = [(line[0], source.instance) async for source, some in merged(sources) for line in some]
    assert len(seen) == 10
    assert seen == sorted(seen)
    assert [name for _, name in seen] != sorted(name for _, name in seen)


async def test_logs_can_be_narrowed_by_length_and_time(docker_bench: Bench) -> None:
    made = await ended(docker_bench, "web", 'print "early\n"; sleep 1; print "late\n"')
    first, last = await lines(docker_bench, made)
    assert texts(await lines(docker_bench, made, Span(tail=1))) == [b"late"]
    assert texts(await lines(docker_bench, made, Span(tail=0))) == []
    assert texts(await lines(docker_bench, made, Span(since=last[0]))) == [b"late"]
    assert texts(await lines(docker_bench, made, Span(until=first[0]))) == [b"early"]
    assert texts(await lines(docker_bench, made, Span(until=first[0], tail=1))) == [b"early"]
    assert await lines(docker_bench, made, Span(since=stamp(datetime.now(UTC) + timedelta(hours=1)))) == []


async def test_another_deployments_container_tells_nothing(docker_bench: Bench) -> None:
    made = await ended(docker_bench, "web", 'print "secret\n"')
    other = docker_bench.another("blog")
    assert [some async for some in docker_bench.engine.log(other, made.id, Span())] == []


class Follower:
    def __init__(self, bench: Bench, archive: FileArchive, hubs: Hubs) -> None:
        self.got: dict[str, list[Line]] = {}
        self._came = asyncio.Event()
        reader = LogReader(bench.engine, archive, bench.key)
        cursor = Cursor(stamp(datetime.now(UTC) - timedelta(minutes=1)))
        self._following = Following(reader, hubs, lambda _: True, self._there, cursor, None, resumed=False)
        self.task = asyncio.create_task(self._read())

    async def _there(self) -> bool:
        return False

    async def _read(self) -> None:
        async for piece in self._following.pieces():
            if piece is not None:
                self.got.setdefault(piece[0].id, []).extend(piece[1])
                self._came.set()

    async def until(self, instance: Instance, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(texts(self.got.get(instance.id, []))) < count:
                self._came.clear()
                await self._came.wait()


async def save(bench: Bench, archive: FileArchive, instance: Instance) -> None:
    source: LogSource = next(s for s in await bench.engine.log_sources(bench.key) if s.id == instance.id)
    await archive.save(bench.key, source, bench.engine.log(bench.key, instance.id, Span()))


async def test_two_followers_get_every_line_once_through_restart_scaling_and_replacement(
    docker_bench: Bench, tmp_path: Path
) -> None:
    engine, key = docker_bench.engine, docker_bench.key
    archive, hubs = FileArchive(tmp_path, Retention()), Hubs()
    spec = docker_bench.service(command=("perl", "-e", COUNTING))
    one = await docker_bench.run(spec)
    first = Follower(docker_bench, archive, hubs)
    await first.until(one, 50)
    second = Follower(docker_bench, archive, hubs)
    two = await docker_bench.run(spec, slot=2)
    for follower in (first, second):
        await follower.until(two, 50)
    docker("restart", "--time", "10", one.id)
    before = len(texts(first.got[one.id]))
    for follower in (first, second):
        await follower.until(one, before + 50)
    three = await docker_bench.run(replace(spec, environment=(("A", "2"),)), slot=1, digest="e" * 64)
    for old in (one, two):
        await engine.execute(key, Stop(old.id, old.name, 10_000, "test"))
        await save(docker_bench, archive, old)
        await engine.execute(key, Remove(old.id, old.name, "test"))
    for follower in (first, second):
        await follower.until(three, 50)
    await engine.execute(key, Stop(three.id, three.name, 10_000, "test"))
    whole = {three.id: await lines(docker_bench, three)}
    await save(docker_bench, archive, three)
    await engine.execute(key, Remove(three.id, three.name, "test"))
    for old in (one, two):
        whole[old.id] = [line async for some in archive.read(key, old.id, Span()) for line in some]
    assert texts(whole[one.id]).count(b"end") == 2
    assert texts(whole[two.id])[-1] == b"end"
    for follower in (first, second):
        async with asyncio.timeout(SECONDS):
            await follower.task
        for id, log in whole.items():  # noqa: A001 - a container's
            for stream in (STDOUT, STDERR):
                assert texts(follower.got[id], stream) == texts(log, stream)
    assert (hubs.streams, hubs.followers) == (0, 0)
