"""Every test that asks for `store` or `url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from spin.store import SqlStore, open_store, sqlite_url
from support.database import PostgresServer

KEY = bytes(range(32))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for each process of the test run, started by the first test that needs it."""
    server = PostgresServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "spin.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    async with server.database() as name:
        yield server.url(name)


@pytest.fixture
def key() -> bytes:
    return KEY


@pytest.fixture
async def store(url: str, key: bytes) -> AsyncIterator[SqlStore]:
    opened = await open_store(url, key)
    try:
        yield opened
    finally:
        await opened.close()
