"""Opening a store, its transactions, and what its failures mean."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, exc, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from spin.errors import Failed, Unavailable
from spin.store import failures
from spin.store.connect import WAIT_SECONDS, connect, create_file, parse, sqlite_url, start
from spin.store.events import Events
from spin.store.jobs import Jobs
from spin.store.migrate import upgrade
from spin.store.people import People
from spin.store.schema import facts
from spin.store.sealing import Sealer
from spin.store.secrets import Secrets
from spin.store.stacks import Stacks
from spin.store.usage import Usages

__all__ = ["SqlStore", "SqlUnitOfWork", "open_store", "sqlite_url"]

_CHECK = "key-check"


class SqlUnitOfWork(People, Stacks, Jobs, Secrets, Events, Usages):
    """`spin.ports.store.UnitOfWork` over one database transaction."""


class SqlStore:
    """`spin.ports.store.Store`. Made by `open_store`; belongs to the event loop it was opened in."""

    def __init__(self, engine: AsyncEngine, sealer: Sealer) -> None:
        self.engine = engine
        self._sealer = sealer
        # Writers of this process queue here, in order, without each holding a connection while it waits for the database's lock.
        self._writing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @asynccontextmanager
    async def begin(self, *, write: bool = False) -> AsyncIterator[SqlUnitOfWork]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Raises Unavailable where the database does not answer, or other writers do not finish within half a minute. A block that
        writes must not begin another transaction that writes: it would wait for itself.
        """
        if write:
            await self._turn()
        try:
            async with _transaction(self.engine, write=write) as connection:
                yield SqlUnitOfWork(connection, self._sealer, write=write)
        finally:
            if write:
                self._writing.release()

    async def close(self) -> None:
        await self.engine.dispose()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._writing.acquire()
        except TimeoutError:
            raise failures.busy() from None


async def open_store(url: str, key: bytes) -> SqlStore:
    """The store at `url` (`sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`), made or migrated as needed.

    `key`: 32 bytes that seal the secrets. Raises InvalidInput for a wrong URL, Failed for a wrong key or a store of a newer Spin,
    Unavailable where the database does not answer.
    """
    parsed, sealer = parse(url), Sealer(key)
    engine = connect(parsed)
    try:
        async with _alone(parsed), _transaction(engine, write=True) as connection:
            await connection.run_sync(upgrade)
            await _check_key(connection, sealer)
    except BaseException:
        await engine.dispose()
        raise
    return SqlStore(engine, sealer)


@asynccontextmanager
async def _alone(url: URL) -> AsyncIterator[None]:
    """Makes SQLite's file, and keeps other processes from opening it meanwhile: no lock of SQLite's own guards the change to WAL.

    PostgreSQL needs none of this: there the write lock is enough.
    """
    if url.get_backend_name() != "sqlite":
        yield
        return
    path = Path(str(url.database))
    async with AsyncExitStack() as stack:
        try:
            lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, lock)
            await _locked(lock)
            create_file(path)
        except OSError as error:
            raise Failed(f"The store {path} cannot be opened: {error.strerror}.", path=str(path)) from error
        yield


async def _locked(descriptor: int) -> None:
    """Polls rather than blocks, so that a start that waits can be cancelled."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable("The store is being opened by another process that does not finish.") from None
            await asyncio.sleep(0.02)
        else:
            return


async def _check_key(connection: AsyncConnection, sealer: Sealer) -> None:
    """Keeps a sealed text in a new store, and opens it in an old one. Raises Failed where the key does not fit."""
    sealed = (await connection.execute(select(facts.c.value).where(facts.c.name == _CHECK))).scalar()
    if sealed is None:
        await connection.execute(facts.insert().values(name=_CHECK, value=sealer.seal(b"spin", _CHECK)))
        return
    try:
        sealer.open(sealed, _CHECK)
    except Failed:
        raise Failed(
            "The key does not belong to this store: its secrets were sealed with another one. Restore the key file that was made with it."
        ) from None


@asynccontextmanager
async def _transaction(engine: AsyncEngine, *, write: bool) -> AsyncIterator[AsyncConnection]:
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (OSError, exc.TimeoutError) as error:
            raise failures.silent() from error
        except exc.DBAPIError as error:
            raise failures.meaning(error) from error
        try:
            await start(connection, write=write)
            yield connection
            await _commit(connection)
        except exc.DBAPIError as error:
            raise failures.meaning(error) from error


async def _commit(connection: AsyncConnection) -> None:
    """On SQLite a commit that fails (a broken reference, a full disk) leaves the transaction open, and SQLAlchemy takes it for ended:
    rolled back here, the connection does not go back to the pool with the write lock in its hands.
    """
    try:
        await connection.commit()
    except BaseException:
        if connection.dialect.name == "sqlite":
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.rollback()
        raise
