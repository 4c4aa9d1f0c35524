"""What the modules of queries share: running statements, and the right to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, CursorResult, Executable, Row, Select, Table, and_, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from spin.model.names import DeploymentKey
from spin.store.failures import unstorable
from spin.store.sealing import Sealer

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


class Rows:
    """One transaction's connection. `write` says whether it may change anything."""

    def __init__(self, connection: AsyncConnection, sealer: Sealer, *, write: bool) -> None:
        self._connection = connection
        self._sealer = sealer
        self._write = write

    async def _all(self, statement: Executable, /, **parameters: Any) -> Sequence[Row[Any]]:
        return (await self._run(statement, parameters)).all()

    async def _first(self, statement: Executable, /, **parameters: Any) -> Row[Any] | None:
        return (await self._run(statement, parameters)).first()

    async def _all_within(
        self, statement: Select[Any], table: Table, project: str | None, environment: str | None
    ) -> Sequence[Row[Any]]:
        """The rows of a statement that is always the same one, as `within` takes them."""
        given = {"project": project, "environment": environment}
        scope = {name: value for name, value in given.items() if value is not None}
        return await self._all(_scoped(statement, table, *scope), **scope)

    async def _change(self, statement: Executable, /, **parameters: Any) -> Sequence[Row[Any]]:
        """Run a statement that writes; the rows that it returns, if it has RETURNING.

        Raises RuntimeError in a transaction that was begun for reading only: a mistake in the code that calls, found on any database.
        """
        if not self._write:
            raise RuntimeError("this transaction is for reading; begin(write=True) makes one that may write")
        result = await self._run(statement, parameters)
        return result.all() if result.returns_rows else ()

    async def _change_many(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that writes once for each of `rows`, in one go."""
        if not self._write:
            raise RuntimeError("this transaction is for reading; begin(write=True) makes one that may write")
        await self._connection.execute(statement, [dict(row) for row in rows])

    async def _run(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        try:
            return await self._connection.execute(statement, parameters or None)
        except (UnicodeEncodeError, OverflowError):  # what SQLite's driver says; the other one's errors come as the database's
            raise unstorable() from None

    async def _add(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row; False, with nothing changed, where one with the same key is there already.

        Asking beforehand would leave a gap, and an error would end the transaction on PostgreSQL: hence ON CONFLICT.
        """
        return bool(await self._change(_adding(self._dialect, table), **values))

    async def _put(self, table: Table, values: Mapping[str, Any]) -> None:
        """Insert a row, or exchange the values of the one with the same key."""
        await self._change(_putting(self._dialect, table, *values), **values)

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return insert_into(self._dialect, table)


def of(table: Table, key: DeploymentKey) -> ColumnElement[bool]:
    """The rows of one deployment: the one place where tables that hang on a deployment are scoped."""
    return and_(table.c.project == key.project, table.c.environment == key.environment, table.c.stack == key.stack)


def within(table: Table, project: str | None, environment: str | None) -> ColumnElement[bool]:
    """The rows of a project, an environment, both, or (None, None) the whole site."""
    wanted = {"project": project, "environment": environment}
    return and_(True, *(table.c[name] == value for name, value in wanted.items() if value is not None))  # noqa: FBT003 -- SQL's TRUE


@cache
def named(table: Table, *names: str) -> ColumnElement[bool]:
    """The rows whose columns `names` have the values of the parameters called so.

    For statements that are made once and asked often: making one takes longer than SQLite takes to answer it.
    """
    return and_(True, *(table.c[name] == bindparam(name) for name in names))  # noqa: FBT003 -- SQL's TRUE


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - costs some 50 ms, and most platforms have SQLite

    return postgresql.insert(table)


@cache
def _adding(dialect: str, table: Table) -> Executable:
    return insert_into(dialect, table).on_conflict_do_nothing().returning(*table.primary_key.columns)


@cache
def _putting(dialect: str, table: Table, *names: str) -> Executable:
    keys, statement = table.primary_key.columns, insert_into(dialect, table)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=rest)


@cache
def _scoped(statement: Select[Any], table: Table, *names: str) -> Select[Any]:
    return statement.where(named(table, *names))
