"""What services used, in steps of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select

from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.usage import Usage
from spin.store.rows import Rows, of
from spin.store.schema import usage

_NUMBERS = tuple(f.name for f in fields(Usage) if f.name not in ("key", "service", "start"))


class Usages(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def usage(self, key: DeploymentKey, *, service: str | None = None, since: datetime | None = None) -> tuple[Usage, ...]:
        wanted = [of(usage, key)]
        if service is not None:
            wanted.append(usage.c.service == service)
        if since is not None:
            wanted.append(usage.c.start >= since)
        return tuple(
            _usage(row) for row in await self._all(select(usage).where(*wanted).order_by(usage.c.service, usage.c.start))
        )

    async def usage_from(self, start: datetime) -> tuple[Usage, ...]:
        return tuple(_usage(row) for row in await self._all(select(usage).where(usage.c.start >= start)))

    async def save_usage(self, found: Sequence[Usage]) -> None:
        if not found:
            return
        statement = self._insert(usage)
        changed = {name: statement.excluded[name] for name in _NUMBERS}
        await self._change_many(
            statement.on_conflict_do_update(index_elements=list(usage.primary_key.columns), set_=changed),
            [_values(each) for each in found],
        )

    async def forget_usage(self, before: datetime) -> int:
        return len(await self._change(delete(usage).where(usage.c.start < before).returning(usage.c.service)))


def _values(each: Usage) -> dict[str, Any]:
    names = {"project": each.key.project, "environment": each.key.environment, "stack": each.key.stack}
    numbers = {name: getattr(each, name) for name in _NUMBERS}
    return {**names, "service": each.service, "start": each.start, **numbers}


def _usage(row: Row[Any]) -> Usage:
    found = row._mapping  # noqa: SLF001 -- SQLAlchemy's public name for a row as a mapping begins so
    return Usage(
        key=DeploymentKey(ProjectName(row.project), EnvironmentName(row.environment), StackName(row.stack)),
        service=row.service,
        start=row.start,
        **{name: found[name] for name in _NUMBERS},
    )
