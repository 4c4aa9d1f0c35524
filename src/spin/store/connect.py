"""Connections: what each database must be told so that nothing accepted is lost and writers queue.

SQLite. WAL lets people read while somebody writes. `synchronous=FULL` rather than NORMAL: in WAL mode NORMAL survives kill -9 but may
lose the last commits in a power cut, and an `up` that was answered must not vanish; it costs one fsync a commit (about a
millisecond on a solid-state disk), and Spin commits a few times a second at most. A writing transaction begins with
BEGIN IMMEDIATE: begun as a reader it could fail at its first write, when another has written meanwhile. Python's driver would
open transactions by rules of its own (and none before SELECT and DDL), so it is told to keep out (`isolation_level=None`).

PostgreSQL. A writing transaction first takes one advisory lock, so that writers queue as they do on SQLite; READ COMMITTED then sees
all that those before it wrote. Admission asks questions over all stacks (is this port free, this host name?), which row locks
do not guard; SERIALIZABLE would, but answers unlucky callers with errors that are nobody's fault. Writing transactions are a few
milliseconds long, so the queue is short. Readers never wait: they see one snapshot (REPEATABLE READ, READ ONLY).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from spin.errors import InvalidInput
from spin.store.sqlite import Driver

WAIT_SECONDS = 30
"""How long a writer waits for others before it gives up with Unavailable. Far above what any transaction takes."""
CONNECTIONS = 8
"""Connections to SQLite at a time, kept once they were opened: each is a thread, and opening one anew takes longer than most of what it
is asked. More of them than cores only wait for one another; nobody who holds one waits for a second one."""
_WRITE_LOCK = 0x5350494E
"""Number of PostgreSQL's advisory lock: the letters SPIN. Such locks are each database's own."""
_IDLE_SECONDS = 60
"""A transaction that does nothing for so long has lost its process; PostgreSQL ends it, and with it the lock it holds."""


def sqlite_url(path: Path) -> str:
    """The URL of a store in the file `path`, whatever characters its name holds."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string(hide_password=False)


def parse(url: str) -> URL:
    """Raises InvalidInput for anything but the two databases; never repeats the URL, which may hold a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidInput("The store's URL cannot be read.", key="store") from None
    if parsed.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        raise InvalidInput(
            f"The store's URL begins with {parsed.drivername!r}; sqlite+aiosqlite or postgresql+asyncpg is expected.", key="store"
        )
    if parsed.drivername == "sqlite+aiosqlite" and (parsed.query or (parsed.database or ":memory:") == ":memory:"):
        raise InvalidInput(
            "The store's URL must name a file, and nothing else, for SQLite: sqlite+aiosqlite:///path.", key="store"
        )
    return parsed


def connect(url: URL) -> AsyncEngine:
    """An engine; nothing is connected yet. Values stay out of error messages: they can be hashes and sealed secrets."""
    if url.drivername == "postgresql+asyncpg":
        settings = {
            "application_name": "spin",
            "lock_timeout": f"{WAIT_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s",
        }
        return create_async_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"server_settings": settings, "timeout": 10},
        )
    engine = create_async_engine(
        url,
        module=Driver(),
        hide_parameters=True,
        pool_size=CONNECTIONS,
        max_overflow=0,
        connect_args={"isolation_level": None, "timeout": WAIT_SECONDS},
    )
    event.listen(engine.sync_engine, "connect", _configure)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


async def start(connection: AsyncConnection, *, write: bool) -> None:
    """Begin the transaction on a fresh connection; for writing, wait for the writers before."""
    if connection.dialect.name == "sqlite":
        await connection.execution_options(spin_write=write)
        await connection.begin()
    elif write:
        await connection.begin()
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITE_LOCK})
    else:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        await connection.begin()


def create_file(path: Path) -> None:
    """Make the database file, readable by its owner only; SQLite gives its companions (-wal, -shm) the same mode.

    A file that exists is not opened here: closing it would drop the locks that SQLite holds on it in this process.
    Raises OSError.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise OSError(errno.EINVAL, "not a file") from None
        path.chmod(0o600)


def _configure(connection: Any, _: Any) -> None:
    try:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool has not taken it yet, and nobody else would end its thread
        raise


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("spin_write", False)
    driver: Any = connection.connection.dbapi_connection
    driver.begin(write=write)
