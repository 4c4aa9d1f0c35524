"""Several processes on one store, and processes that are killed."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from spin.store import open_store
from support.stored import NOW

WRITER = Path(__file__).with_name("writer.py")


@asynccontextmanager
async def _writer(url: str, key: bytes, *mode: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, WRITER, url, key.hex(), *mode, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise AssertionError((await process.communicate())[1].decode())
    return line


async def test_two_processes_open_an_empty_store_at_once(url: str, key: bytes) -> None:
    async with _writer(url, key, "add", "one") as first, _writer(url, key, "add", "two") as second:
        for process in (first, second):
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
    async with await open_store(url, key) as store, store.begin() as unit:
        assert await unit.projects() == ("one", "two")


async def test_a_writer_killed_in_mid_transaction_leaves_nothing_and_holds_nothing(url: str, key: bytes) -> None:
    async with await open_store(url, key) as store, _writer(url, key, "hold") as process:
        assert await _line(process) == "held"
        process.kill()
        async with asyncio.timeout(10), store.begin(write=True) as unit:
            assert await unit.projects() == ()
            await unit.add_project("after", NOW)
        async with store.begin() as unit:
            assert await unit.projects() == ("after",)


@pytest.mark.parametrize("after", [1, 17])
async def test_what_a_killed_writer_had_committed_is_there_whole(url: str, key: bytes, after: int) -> None:
    async with _writer(url, key, "commit") as process:
        committed = [await _line(process) for _ in range(after)]
        process.kill()
        assert process.stdout is not None
        committed += (await process.stdout.read()).decode().split()
    async with await open_store(url, key) as store, store.begin() as unit:
        found = await unit.projects()
        # One more may have been committed, though its line was not printed any more.
        assert set(committed) <= set(found)
        assert len(found) <= len(committed) + 1
        for project in found:
            assert await unit.secret_value(project, "development", "s", 1) == b"v"
