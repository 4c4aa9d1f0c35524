"""Secrets: names with numbered versions, values sealed."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, delete, select

from spin.ports.store import SecretInfo
from spin.store.rows import Rows
from spin.store.schema import secret_versions, secrets


class Secrets(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def secrets(self, project: str, environment: str) -> tuple[SecretInfo, ...]:
        """Sorted by name."""
        mine = and_(secrets.c.project == project, secrets.c.environment == environment)
        found = await self._all(_newest().where(mine))
        return tuple(sorted((_info(row) for row in found), key=lambda s: s.name))

    async def secret(self, project: str, environment: str, name: str) -> SecretInfo | None:
        row = await self._first(_newest().where(_named(secrets, project, environment, name)))
        return None if row is None else _info(row)

    async def secret_value(self, project: str, environment: str, name: str, version: int) -> bytes | None:
        """Raises Failed where the stored value has been damaged or moved."""
        row = await self._first(
            select(secret_versions.c.sealed).where(
                _named(secret_versions, project, environment, name), secret_versions.c.version == version
            )
        )
        return None if row is None else self._sealer.open(row.sealed, *_place(project, environment, name, version))

    async def add_secret(
        self, project: str, environment: str, name: str, value: bytes, author: str, when: datetime
    ) -> SecretInfo:
        present = await self.secret(project, environment, name)
        if present is not None:
            stored = await self.secret_value(project, environment, name, present.version)
            if stored is not None and hmac.compare_digest(stored, value):
                return present
        key = {"project": project, "environment": environment, "name": name}
        statement = (
            self._insert(secrets)
            .values(key | {"newest": 1})
            .on_conflict_do_update(index_elements=list(secrets.primary_key), set_={"newest": secrets.c.newest + 1})
            .returning(secrets.c.newest)
        )
        version: int = (await self._change(statement))[0].newest
        sealed = self._sealer.seal(value, *_place(project, environment, name, version))
        await self._change(
            secret_versions.insert().values(key | {"version": version, "sealed": sealed, "author": author, "created": when})
        )
        return SecretInfo(name, version, author, when)

    async def remove_secret(self, project: str, environment: str, name: str) -> bool:
        """All versions. Their numbers are not given out again: revisions and containers know a value by its number."""
        mine = _named(secret_versions, project, environment, name)
        return bool(await self._change(delete(secret_versions).where(mine).returning(secret_versions.c.version)))


def _named(table: Table, project: str, environment: str, name: str) -> ColumnElement[bool]:
    return and_(table.c.project == project, table.c.environment == environment, table.c.name == name)


def _newest() -> Select[Any]:
    same = and_(
        *(secrets.c[name] == secret_versions.c[name] for name in ("project", "environment", "name")),
        secrets.c.newest == secret_versions.c.version,
    )
    columns = (secret_versions.c.name, secret_versions.c.version, secret_versions.c.author, secret_versions.c.created)
    return select(*columns).join_from(secrets, secret_versions, same)


def _info(row: Row[Any]) -> SecretInfo:
    return SecretInfo(row.name, row.version, row.author, row.created)


def _place(project: str, environment: str, name: str, version: int) -> tuple[str | int, ...]:
    return ("secret", project, environment, name, version)
