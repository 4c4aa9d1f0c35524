"""How often SQLite's thread is given something to do: that, and not what SQLite does there, is what a busy event loop pays for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from spin.store import SqlStore, open_store, sqlite_url
from support.stored import NOW, people_and_projects


class Turns:
    """Counts them, and can keep the next one waiting."""

    def __init__(self) -> None:
        self.count = 0
        self.asked = asyncio.Event()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    async with await open_store(sqlite_url(tmp_path / "spin.db"), bytes(32)) as opened:
        await people_and_projects(opened)
        yield opened


@pytest.fixture
def turns(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> Turns:
    found = Turns()
    execute = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, *args: Any, **named: Any) -> Any:
        found.count += 1
        found.asked.set()
        return await execute(self, *args, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return found


async def driver_of(store: SqlStore) -> aiosqlite.Connection:
    """The pool's connection; it has one, as these tests use one at a time."""
    async with store.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, aiosqlite.Connection)
    return driver


async def test_reading_takes_one_turn_for_a_statement_and_one_to_end(store: SqlStore, turns: Turns) -> None:
    async with store.begin() as unit:
        await unit.projects()
        await unit.users()
        await unit.members("physics")
    assert turns.count == 3 + 1


async def test_writing_takes_one_more_to_begin(store: SqlStore, turns: Turns) -> None:
    async with store.begin(write=True) as unit:
        await unit.add_project("chemistry", NOW)
    assert turns.count == 1 + 1 + 1


async def test_a_transaction_in_which_nothing_is_asked_takes_none(store: SqlStore, turns: Turns) -> None:
    async with store.begin():
        pass
    assert turns.count == 0


async def test_a_reader_that_is_cancelled_at_its_first_statement_leaves_no_transaction_open(
    store: SqlStore, turns: Turns
) -> None:
    async def read() -> None:
        async with store.begin() as unit:
            await unit.projects()

    for _ in range(50):
        turns.asked.clear()
        task = asyncio.create_task(read())
        await turns.asked.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    driver = await driver_of(store)
    await driver.execute_fetchall("SELECT 1")  # its turn comes after whatever the others have left to do
    assert not driver.in_transaction
    async with store.begin() as unit:
        assert await unit.projects() == ("biology", "physics")


async def test_a_statement_that_fails_is_the_end_of_its_transaction_only(store: SqlStore) -> None:
    with pytest.raises(Exception, match="no such table"):
        async with store.engine.connect() as connection:
            await connection.exec_driver_sql("SELECT * FROM nowhere")
    assert not (await driver_of(store)).in_transaction
    async with store.begin() as unit:
        assert await unit.projects() == ("biology", "physics")
