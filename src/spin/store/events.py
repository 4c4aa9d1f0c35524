"""Events: what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select

from spin.model.event import AUDIT, LONGEST, Caller, Event, EventQuery, Kind
from spin.store.codec import decode, encode
from spin.store.rows import Rows
from spin.store.schema import events

_AUDIT = tuple(sorted(kind.value for kind in AUDIT))


class Events(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def add_events(self, events: Sequence[Event]) -> None:
        if events:
            await self._change_many(_INSERT, [_values(event) for event in events])

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        newest_first = query.after is None
        order = _TABLE.c.number.desc() if newest_first else _TABLE.c.number
        found = await self._all(select(_TABLE).where(*_conditions(query)).order_by(order).limit(query.last))
        return tuple(_event(row) for row in (reversed(found) if newest_first else found))

    async def newest_event(self) -> int:
        row = await self._first(select(func.max(_TABLE.c.number)))
        return 0 if row is None or row[0] is None else int(row[0])

    async def forget_events(self, *, before: datetime, audit_before: datetime, most: int) -> int:
        audit = _TABLE.c.kind.in_(_AUDIT)
        old = ((_TABLE.c.time < before) & ~audit) | ((_TABLE.c.time < audit_before) & audit)
        gone = await self._change(delete(_TABLE).where(old).returning(_TABLE.c.number))
        names = (_TABLE.c.project, _TABLE.c.environment, _TABLE.c.stack)
        full = await self._all(select(*names).where(~audit).group_by(*names).having(func.count() > most))
        count = len(gone)
        for row in full:
            mine = [column.is_not_distinct_from(value) for column, value in zip(names, row, strict=True)]
            kept = select(_TABLE.c.number).where(*mine, ~audit).order_by(_TABLE.c.number.desc()).limit(1).offset(most - 1)
            count += len(
                await self._change(
                    delete(_TABLE).where(*mine, ~audit, _TABLE.c.number < kept.scalar_subquery()).returning(_TABLE.c.number)
                )
            )
        return count


_TABLE = events
_INSERT = insert(_TABLE)


def _values(event: Event) -> dict[str, Any]:
    return {
        "time": event.time,
        "kind": event.kind.value,
        "text": event.text[:LONGEST],
        "actor": event.actor,
        "verb": event.verb,
        "cause": event.cause[:LONGEST],
        "project": event.project,
        "environment": event.environment,
        "stack": event.stack,
        "service": event.service,
        "container": event.container,
        "revision": event.revision,
        "code": event.code,
        "caller": None if event.caller is None else encode(event.caller),
    }


def _event(row: Row[Any]) -> Event:
    return Event(
        number=row.number,
        time=row.time,
        kind=Kind(row.kind),
        text=row.text,
        actor=row.actor,
        verb=row.verb,
        cause=row.cause,
        project=row.project,
        environment=row.environment,
        stack=row.stack,
        service=row.service,
        container=row.container,
        revision=row.revision,
        code=row.code,
        caller=None if row.caller is None else decode(Caller, row.caller),
    )


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    columns = _TABLE.c
    named = {
        columns.project: query.project,
        columns.environment: query.environment,
        columns.stack: query.stack,
        columns.service: query.service,
        columns.actor: query.actor,
    }
    found = [column == value for column, value in named.items() if value is not None]
    if query.kinds is not None:
        found.append(columns.kind.in_(sorted(kind.value for kind in query.kinds)))
    if query.after is not None:
        found.append(columns.number > query.after)
    if query.since is not None:
        found.append(columns.time >= query.since)
    if query.until is not None:
        found.append(columns.time < query.until)
    return found
