"""Opening a store: schema, key, file, and everything that can be wrong with them."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from spin.errors import Failed, InvalidInput, SpinError, Unavailable
from spin.model.revision import ServiceWish
from spin.store import SqlStore, migration, migrations, open_store, sqlite_url
from spin.store.codec import encode
from spin.store.connect import connect, parse
from spin.store.migrate import NEWEST
from spin.store.schema import metadata
from support.database import PostgresServer
from support.stored import NOW, revision


async def test_an_empty_database_gets_the_schema_that_the_tables_in_the_code_have(store: SqlStore) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    async with store.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrations_make_the_very_constraints_that_the_code_declares(store: SqlStore) -> None:
    # What the comparison above does not look at: primary keys, the names of constraints, and what happens on deletion.
    def constraints(connection: Connection) -> dict[str, Any]:
        looked = inspect(connection)
        return {
            table: {
                "primary": looked.get_pk_constraint(table),
                "foreign": sorted(looked.get_foreign_keys(table), key=str),
                "unique": sorted(looked.get_unique_constraints(table), key=str),
            }
            for table in metadata.tables
        }

    async with store.engine.connect() as connection:
        migrated = await connection.run_sync(constraints)
        await connection.rollback()
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(constraints)


async def test_a_store_is_opened_again_with_everything_in_it(url: str, key: bytes) -> None:
    for expected in ((), ("physics",)):
        async with await open_store(url, key) as store:
            async with store.begin() as unit:
                assert await unit.projects() == expected
            if not expected:
                async with store.begin(write=True) as unit:
                    await unit.add_project("physics", NOW)


def test_a_store_that_is_up_to_date_is_opened_without_the_means_to_change_it(tmp_path: Path) -> None:
    # They are a seventh of what a platform needs to start.
    url = sqlite_url(tmp_path / "spin.db")
    program = f"""
import asyncio, sys
from spin.store import open_store
async def main():
    await (await open_store({url!r}, bytes(32))).close()
    print("alembic" in sys.modules)
asyncio.run(main())
"""
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(2)]
    assert [run.stdout.strip() for run in runs] == ["True", "False"]


def test_the_newest_step_is_the_one_that_is_named() -> None:
    assert ScriptDirectory(str(Path(migration.__file__).with_name("migrations"))).get_heads() == [NEWEST]


async def test_an_empty_database_can_be_opened_by_many_at_once(url: str, key: bytes) -> None:
    stores = await asyncio.gather(*(open_store(url, key) for _ in range(6)))
    for number, store in enumerate(stores):
        async with store.begin(write=True) as unit:
            await unit.add_project(f"p{number}", NOW)
    async with stores[0].begin() as unit:
        assert len(await unit.projects()) == 6
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_store_of_the_first_schema_is_brought_up_to_date_with_everything_in_it(url: str, key: bytes) -> None:
    # The rows as the first version of Spin wrote them.
    def fill(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO projects (name, created) VALUES ('physics', '2026-03-29 01:30:00')"))
        for stack in ("shop", "wiki"):
            values = {"stack": stack, "wishes": encode((ServiceWish("web", restarts=2),)), "no": False}
            connection.execute(
                text(
                    "INSERT INTO deployments (project, environment, stack, generation, revision, goal, wishes, remove_volumes)"
                    " VALUES ('physics', 'development', :stack, 4, 1, 'running', :wishes, :no)"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO revisions (project, environment, stack, number, document)"
                    " VALUES ('physics', 'development', :stack, 1, :document)"
                ),
                {"stack": stack, "document": encode(revision())},
            )

    engine = connect(parse(url))
    async with engine.begin() as connection:
        await connection.run_sync(fill)
    await engine.dispose()
    async with await open_store(url, key) as store:
        async with store.begin() as unit:
            found = await unit.deployments()
            kept = [await unit.revisions(d.key) for d in found]
        async with store.begin(write=True) as unit:
            saved = await unit.save_deployment(replace(found[0], numbers=(("web", 1),)))
    assert [(d.key.stack, d.generation, d.upgrade, d.numbers) for d in found] == [("shop", 4, None, ()), ("wiki", 4, None, ())]
    assert {d.wishes for d in found} == {(ServiceWish("web", restarts=2),)}
    assert kept == [(revision(),), (revision(),)]
    assert saved.generation == 5


async def test_another_key_is_refused_and_the_right_one_still_opens(url: str, key: bytes) -> None:
    await (await open_store(url, key)).close()
    with pytest.raises(Failed, match="key does not belong to this store"):
        await open_store(url, bytes(32))
    await (await open_store(url, key)).close()


@pytest.mark.parametrize("length", [0, 16, 31, 33])
async def test_a_key_of_another_length_is_refused(url: str, length: int) -> None:
    with pytest.raises(Failed, match=f"has {length} bytes"):
        await open_store(url, bytes(length))


async def test_a_store_of_a_newer_version_is_refused_unchanged(url: str, key: bytes) -> None:
    async with await open_store(url, key) as store, store.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Failed, match="newer version of Spin"):
        await open_store(url, key)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "spin.db",
        "sqlite:///spin.db",
        "mysql://root:hunter2@localhost/spin",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
        "postgresql://spin:hunter2@localhost/spin",
    ],
)
async def test_a_wrong_url_is_refused_without_repeating_it(url: str, key: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        await open_store(url, key)
    assert "hunter2" not in caught.value.message


async def test_a_database_that_does_not_answer_is_unavailable(key: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await open_store(f"postgresql+asyncpg://spin@/spin?host={tmp_path}", key)


@pytest.mark.parametrize("wrong", ["database", "user"])
async def test_a_database_that_refuses_says_where_to_look(postgres: PostgresServer, key: bytes, wrong: str) -> None:
    url = postgres.url("no-such-database" if wrong == "database" else "postgres")
    with pytest.raises(Failed, match="does not let Spin in"):
        await open_store(url.replace("spin@", "stranger@") if wrong == "user" else url, key)


@pytest.mark.parametrize("name", ["spin.db", "with space & ?#%25 ü.db"])
async def test_the_files_of_sqlite_can_be_read_by_their_owner_only(tmp_path: Path, key: bytes, name: str) -> None:
    async with await open_store(sqlite_url(tmp_path / name), key) as store:
        async with store.begin(write=True) as unit:
            await unit.add_project("physics", NOW)
        modes = _modes(tmp_path)
    assert modes == dict.fromkeys([name, f"{name}-wal", f"{name}-shm", f"{name}.lock"], "-rw-------")


async def test_a_file_that_is_open_to_others_is_closed_to_them(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "spin.db"
    path.touch(0o666)
    path.chmod(0o666)
    await (await open_store(sqlite_url(path), key)).close()
    assert _modes(tmp_path)["spin.db"] == "-rw-------"


async def test_sqlite_is_told_to_lose_nothing(tmp_path: Path, key: bytes) -> None:
    async with await open_store(sqlite_url(tmp_path / "spin.db"), key) as store, store.engine.connect() as connection:
        told = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"this is a letter, not a database" * 200), "damaged or is no store"),
        (lambda path: path.mkdir(0o755), "cannot be opened: not a file"),
        (lambda path: path.parent.rmdir(), "cannot be opened: No such file or directory"),
    ],
    ids=["no-database", "directory", "no-folder"],
)
async def test_a_file_that_is_no_store_says_so(tmp_path: Path, key: bytes, make: Any, message: str) -> None:
    path = tmp_path / "data" / "spin.db"
    path.parent.mkdir()
    make(path)
    with pytest.raises(SpinError, match=message) as caught:
        await open_store(sqlite_url(path), key)
    assert isinstance(caught.value, Failed)


async def test_a_database_of_somebody_else_is_left_as_it_is(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE users (id INTEGER)")
    theirs.close()
    with pytest.raises(Failed, match="other tables"):
        await open_store(sqlite_url(path), key)
    again = sqlite3.connect(path)
    assert again.execute("SELECT name FROM sqlite_master").fetchall() == [("users",)]
    again.close()


def _modes(folder: Path) -> dict[str, str]:
    return {file.name: stat.filemode(file.stat().st_mode) for file in folder.iterdir()}
