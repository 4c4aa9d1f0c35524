"""Logs of removed containers: whole or not at all, within bounds, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spin.archive import FileArchive
from spin.errors import EngineUnavailable, Failed
from spin.model.log import Line, LogSource, Span
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.site import Retention

KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))
NOW = datetime.now(UTC)
ONE = LogSource(InstanceId("a" * 64), "web", 1, "shop-web-1", NOW, removed=True)
LINES: list[Line] = [
    (b"2030-05-01T12:00:01.000000000Z", 1, b"one"),
    (b"2030-05-01T12:00:02.000000000Z", 2, b"\xff\x00\x1b[2J \r"),
    (b"2030-05-01T12:00:03.000000000Z", 1, b"x" * 2**20),
    (b"2030-05-01T12:00:04.000000000Z", 1, b""),
]


def below(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(folder.rglob(pattern))


async def giving(*batches: Sequence[Line]) -> AsyncIterator[Sequence[Line]]:
    for batch in batches:
        yield batch


async def breaking() -> AsyncIterator[Sequence[Line]]:
    yield LINES
    raise EngineUnavailable("The engine went away.")


async def read(archive: FileArchive, span: Span, key: DeploymentKey = KEY) -> list[Line]:
    return [line async for batch in archive.read(key, ONE.id, span) for line in batch]


async def test_what_was_saved_is_read_byte_for_byte(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention())
    await archive.save(KEY, ONE, giving(LINES[:1], LINES[1:]))
    await archive.save(KEY, ONE, giving(LINES))  # somebody was killed before the container was removed
    assert await archive.sources(KEY) == (ONE,)
    assert await read(archive, Span()) == LINES
    assert await read(archive, Span(tail=2)) == LINES[2:]
    assert await read(archive, Span(since=LINES[1][0], until=LINES[2][0])) == LINES[1:3]


async def test_a_log_that_breaks_off_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention())
    for expected in ([], LINES):
        with pytest.raises(EngineUnavailable):
            await archive.save(KEY, ONE, breaking())
        assert await read(archive, Span()) == expected
        await archive.save(KEY, ONE, giving(LINES))
    assert [p.name for p in below(tmp_path) if p.suffix] == [f"{ONE.id}.gz"]


async def test_logs_belong_to_a_project(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention())
    await archive.save(KEY, ONE, giving(LINES))
    for other in (replace(KEY, project=ProjectName("other")), replace(KEY, stack=StackName("sho"))):
        assert await archive.sources(other) == ()
        assert await read(archive, Span(), other) == []
    with pytest.raises(Failed):
        [lines async for lines in archive.read(KEY, InstanceId("../../x"), Span())]


async def test_the_oldest_go_when_a_stack_or_the_site_has_too_much(tmp_path: Path) -> None:
    noise = [(LINES[0][0], 1, os.urandom(10_000).replace(b"\n", b""))]
    blog = replace(KEY, stack=StackName("blog"))
    archive = FileArchive(tmp_path, Retention(log_bytes_per_stack=35_000, log_bytes=45_000))
    for number in range(5):
        source = replace(ONE, id=InstanceId(f"c{number}"))
        await archive.save(KEY, source, giving(noise))
        os.utime(below(tmp_path, f"c{number}.gz")[0], (number, number))
    assert [source.id for source in await archive.sources(KEY)] == ["c2", "c3", "c4"]
    for number in range(2):
        await archive.save(blog, replace(ONE, id=InstanceId(f"b{number}")), giving(noise))
    assert await archive.prune(datetime.fromtimestamp(10, UTC)) == 1
    assert [source.id for source in await archive.sources(KEY)] == ["c3", "c4"]


async def test_logs_are_forgotten_with_the_days(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention(log_days=14))
    await archive.save(KEY, ONE, giving(LINES))
    assert await archive.prune(NOW + timedelta(days=13)) == 0
    assert await archive.prune(NOW + timedelta(days=15)) == 1
    assert below(tmp_path) == []


async def test_what_a_killed_platform_has_begun_to_write_goes_some_day(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention())
    await archive.save(KEY, ONE, giving(LINES))
    half = below(tmp_path, "*.gz")[0].with_name(".two.gz.new")
    half.write_bytes(b"half of it")
    os.utime(half, (NOW.timestamp(), NOW.timestamp()))
    await archive.prune(NOW + timedelta(hours=1))
    assert half.exists(), "it may be written just now"
    await archive.prune(NOW + timedelta(days=2))
    assert not half.exists()
    assert await archive.sources(KEY) == (ONE,)


async def test_a_file_that_is_broken_hides_no_other(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, Retention())
    await archive.save(KEY, ONE, giving(LINES))
    below(tmp_path, "*.gz")[0].with_name("broken.gz").write_bytes(b"no gzip")
    assert await archive.sources(KEY) == (ONE,)
