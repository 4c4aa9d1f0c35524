"""SQLite's driver, with one turn of its thread for each statement.

A connection of aiosqlite has a thread, and every call is a message to it and one back, which costs the event loop far more than
reading a row does. SQLAlchemy's own adaptation makes four calls for a query (make a cursor, execute, fetch, close), three for BEGIN, and
two to end what only read. Here a query is one call, a transaction that reads begins with its first query, and only what has begun is
ended.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.util.concurrency import await_

Found = tuple[Any, deque[Any], int, int | None]
"""Of a statement: description of its columns or None, rows, number of changed rows, identifier of the last one inserted."""


class Cursor:
    """DBAPI's cursor, over what was fetched already."""

    server_side = False
    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: deque[Any] = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, operation: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> None:
        self._take(self._connection.ask(lambda raw: raw.execute(operation, parameters)))

    def executemany(self, operation: str, parameters: Sequence[Any]) -> None:
        self._take(self._connection.ask(lambda raw: raw.executemany(operation, parameters)))

    def _take(self, found: Found) -> None:
        self.description, self._rows, self.rowcount, self.lastrowid = found

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def __iter__(self) -> Iterator[Any]:
        while self._rows:
            yield self._rows.popleft()

    def close(self) -> None:
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """SQLAlchemy asks for it, where rows stay to be read; SQLite's own cursor is closed by now."""


class Connection(AsyncAdapt_aiosqlite_connection):
    """One connection, as SQLAlchemy sees it: in autocommit mode (`isolation_level=None`), for its transactions begin with `begin`.

    Whether one has begun is remembered here and not asked of SQLite: the thread may still be at a call that was cancelled.
    """

    _cursor_cls: Any = Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._due = False
        self._begun = False

    def begin(self, *, write: bool) -> None:
        """For writing at once, which waits for the writer before; for reading with the first statement."""
        self._due, self._begun = not write, write
        if write:
            self.ask(lambda raw: raw.execute("BEGIN IMMEDIATE"))

    def ask(self, statement: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> Found:
        """Run the statement in the thread, as the first of a transaction where one is due."""
        due, self._due = self._due, False
        self._begun = self._begun or due

        def run(raw: sqlite3.Connection) -> Found:
            if due:
                raw.execute("BEGIN")
            cursor = statement(raw)
            rows = deque(cursor.fetchall() if cursor.description else ())
            found = (cursor.description, rows, cursor.rowcount, cursor.lastrowid)
            cursor.close()
            return found

        try:
            done: Found = await_(self._connection._execute(run, self._connection._conn))  # noqa: SLF001 -- the way into the thread has no public name
        except Exception as error:  # noqa: BLE001 -- raised again, as SQLAlchemy knows it
            self._handle_exception(error)
        return done

    def commit(self) -> None:
        self._due = False
        if self._begun:
            super().commit()
            self._begun = False

    def rollback(self) -> None:
        self._due = False
        if self._begun:
            super().rollback()
            self._begun = False


class Driver(AsyncAdapt_aiosqlite_dbapi):
    """The module of the driver, as SQLAlchemy sees it: for `create_async_engine(module=…)`."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *args: Any, **named: Any) -> Connection:
        made = super().connect(*args, **named)
        return Connection(self, made.driver_connection)
