"""Transactions: all or nothing, writers queue, readers see one moment, failures are Spin's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spin.errors import Conflict, InvalidInput, Unavailable
from spin.model.principal import Role
from spin.ports.store import UnitOfWork, User
from spin.store import SqlStore, open_store
from spin.store import store as store_module
from support.database import PostgresServer
from support.stored import NOW, deployment, key, people_and_projects, revision, status


async def test_an_exception_in_the_block_rolls_all_of_it_back(store: SqlStore) -> None:
    async def write() -> None:
        async with store.begin(write=True) as unit:
            await unit.add_project("physics", NOW)
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        await write()
    async with store.begin() as unit:
        assert await unit.projects() == ()


async def test_a_transaction_for_reading_cannot_write(store: SqlStore) -> None:
    await people_and_projects(store)
    writes: list[Any] = [
        lambda unit: unit.add_user(User("zoe", operator=False, created=NOW), None),
        lambda unit: unit.add_project("chemistry", NOW),
        lambda unit: unit.set_member("physics", "ann", Role.OWNER),
        lambda unit: unit.touch_key("k", NOW),
        lambda unit: unit.remove_key("ann", "k"),
        lambda unit: unit.add_deployment(deployment()),
        lambda unit: unit.save_deployment(deployment()),
        lambda unit: unit.delete_deployment(key()),
        lambda unit: unit.add_revision(key(), revision()),
        lambda unit: unit.save_status(key(), status()),
        lambda unit: unit.add_secret("physics", "development", "s", b"v", "ann", NOW),
        lambda unit: unit.remove_secret("physics", "development", "s"),
    ]
    for write in writes:
        async with store.begin() as unit:
            with pytest.raises(RuntimeError, match="write=True"):
                await write(unit)


async def test_a_reader_sees_one_moment_and_does_not_wait_for_a_writer(store: SqlStore) -> None:
    await people_and_projects(store)
    async with store.begin() as reader:
        before = await reader.projects()
        async with store.begin(write=True) as writer:
            await writer.add_project("chemistry", NOW)
            assert await reader.projects() == before
        assert await reader.projects() == before
    async with store.begin() as reader:
        assert "chemistry" in await reader.projects()


async def test_of_twenty_writers_at_once_one_wins_each_generation(store: SqlStore) -> None:
    await people_and_projects(store)
    async with store.begin(write=True) as unit:
        await unit.add_deployment(deployment())

    async def climb(until: int, won: Counter[int]) -> None:
        """Write from what one has read, as a person does: read, let others go on, write."""
        while True:
            async with store.begin() as unit:
                seen = await unit.deployment(key())
            assert seen is not None
            if seen.generation >= until:
                return
            try:
                async with store.begin(write=True) as unit:
                    saved = await unit.save_deployment(seen)
                    await unit.add_revision(key(), revision(saved.generation))
            except Conflict:
                continue
            won[saved.generation] += 1

    won: Counter[int] = Counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(climb(12, won))
    assert all(won[generation] == 1 for generation in range(2, 13))
    async with store.begin() as unit:
        final = await unit.deployment(key())
        numbers = [r.number for r in await unit.revisions(key())]
    assert final is not None
    assert numbers == list(range(2, final.generation + 1))


async def test_writers_of_two_stores_on_one_database_queue(url: str, store: SqlStore) -> None:
    # As two processes would: what one has read in a transaction that writes, no other changes before it ends.
    await people_and_projects(store)
    async with store.begin(write=True) as unit:
        await unit.add_deployment(deployment())
    async with await open_store(url, bytes(range(32))) as other:

        async def grow(through: SqlStore) -> None:
            async with through.begin(write=True) as unit:
                seen = await unit.deployment(key())
                assert seen is not None
                await asyncio.sleep(0)
                await unit.save_deployment(seen)

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(grow(store if number % 2 else other))
        async with other.begin() as unit:
            final = await unit.deployment(key())
    assert final is not None
    assert final.generation == 21


async def test_of_twenty_people_one_gets_the_name(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        for number in range(20):
            await unit.add_project(f"p{number}", NOW)

    async def take(number: int) -> bool:
        try:
            async with store.begin(write=True) as unit:
                await unit.add_deployment(deployment(key(f"p{number}")))
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(take(number) for number in range(20)))) == 1


async def test_secrets_written_at_once_get_different_versions(store: SqlStore) -> None:
    await people_and_projects(store)

    async def add(number: int) -> int:
        async with store.begin(write=True) as unit:
            info = await unit.add_secret("physics", "development", "s", b"%d" % number, "ann", NOW)
        return info.version

    assert sorted(await asyncio.gather(*(add(number) for number in range(20)))) == list(range(1, 21))


@pytest.mark.parametrize("moment", ["waiting", "writing", "committing"])
async def test_a_writer_that_is_cancelled_leaves_nothing_locked(store: SqlStore, moment: str) -> None:
    held = asyncio.Event()

    async def write(unit: UnitOfWork) -> None:
        await unit.add_project("half", NOW)
        held.set()
        if moment != "committing":
            await asyncio.Event().wait()

    async def run() -> None:
        async with store.begin(write=True) as unit:
            await write(unit)

    first = asyncio.create_task(run())
    await held.wait()
    if moment == "waiting":
        second = asyncio.create_task(run())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
    first.cancel()
    await asyncio.wait([first])
    async with asyncio.timeout(5), store.begin(write=True) as unit:
        await unit.add_project("after", NOW)
        projects = await unit.projects()
    assert "after" in projects
    assert moment == "committing" or "half" not in projects


async def test_a_writer_that_waits_too_long_says_that_the_store_is_busy(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WAIT_SECONDS", 0.05)
    async with store.begin(write=True):
        with pytest.raises(Unavailable, match="busy"):
            async with store.begin(write=True):
                pass


async def test_hundred_readers_at_once_are_served(store: SqlStore) -> None:
    await people_and_projects(store)

    async def read() -> int:
        async with store.begin() as unit:
            return len(await unit.users())

    assert await asyncio.gather(*(read() for _ in range(100))) == [2] * 100


@pytest.mark.parametrize("name", ["half a pair \ud800", "NUL \x00"], ids=["surrogate", "nul"])
async def test_a_text_that_cannot_be_stored_is_no_name_and_no_crash(store: SqlStore, name: str) -> None:
    # SQLite finds nothing under such a name, PostgreSQL and the drivers refuse it.
    for look in (lambda unit: unit.user(name), lambda unit: unit.deployment(key(name))):
        assert await _found(store, look) is None


@pytest.mark.parametrize("number", [2**31, 2**64])
async def test_a_number_that_cannot_be_stored_is_no_revision_and_no_crash(store: SqlStore, number: int) -> None:
    assert await _found(store, lambda unit: unit.revision(key(), number)) is None


async def _found(store: SqlStore, look: Any) -> Any:
    with contextlib.suppress(InvalidInput):
        async with store.begin() as unit:
            return await look(unit)
    return None


async def test_hostile_names_are_only_names(store: SqlStore) -> None:
    name = "'; DROP TABLE users; --"
    async with store.begin(write=True) as unit:
        await unit.add_user(User(name, operator=False, created=NOW), None)
        await unit.add_project('x"%_\\', NOW + timedelta(0))
    async with store.begin() as unit:
        assert [u.name for u in await unit.users()] == [name]
        assert await unit.members("%") == ()
        assert await unit.projects() == ('x"%_\\',)


async def test_the_database_itself_refuses_to_write_in_a_transaction_for_reading_on_postgresql(postgres: PostgresServer) -> None:
    async with (
        postgres.database() as name,
        await open_store(postgres.url(name), bytes(32)) as store,
        store.begin() as unit,
    ):
        with pytest.raises(Exception, match="read-only transaction"):
            await unit._connection.execute(text("INSERT INTO projects VALUES ('p', now())"))


async def test_lost_connections_are_replaced_on_postgresql(postgres: PostgresServer) -> None:
    async with postgres.database() as name, await open_store(postgres.url(name), bytes(32)) as store:
        async with store.begin() as unit:
            assert await unit.projects() == ()
        await postgres.end_sessions(name)
        async with store.begin(write=True) as unit:
            await unit.add_project("after", NOW)

        async def write() -> None:
            async with store.begin(write=True) as unit:
                await unit.add_project("lost", NOW)
                await postgres.end_sessions(name)
                await unit.add_project("lost too", NOW)

        with pytest.raises(Unavailable, match="does not answer"):
            await write()
        async with store.begin(write=True) as unit:
            assert await unit.projects() == ("after",)
