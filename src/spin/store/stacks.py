"""Deployments, their revisions and their statuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, and_, bindparam, delete, or_, select, update

from spin.errors import Conflict
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.revision import Deployment, Goal, Revision, ServiceWish, Upgrade
from spin.model.status import DeploymentStatus
from spin.store.codec import decode_kept, encode
from spin.store.rows import Rows, insert_into, named, of, within
from spin.store.schema import deployments, revisions, statuses

_KEY = ("project", "environment", "stack")
# What every request asks for.
_DEPLOYMENTS = select(deployments)
_DEPLOYMENT = _DEPLOYMENTS.where(named(deployments, *_KEY))
_HOLDER = select(*(deployments.c[name] for name in _KEY)).where(named(deployments, "environment", "stack"))
_REVISION = select(revisions.c.document).where(named(revisions, *_KEY, "number"))
_REVISIONS = select(revisions.c.document).where(named(revisions, *_KEY)).order_by(revisions.c.number.desc())
_DESIRED = select(*(revisions.c[name] for name in (*_KEY, "document"))).join_from(
    deployments,
    revisions,
    and_(*(deployments.c[name] == revisions.c[name] for name in _KEY), deployments.c.revision == revisions.c.number),
)
_STATUSES = select(statuses)
_STATUS = _STATUSES.where(named(statuses, *_KEY))


class Stacks(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def deployments(self, project: str | None = None, environment: str | None = None) -> tuple[Deployment, ...]:
        """Sorted by key."""
        found = await self._all_within(_DEPLOYMENTS, deployments, project, environment)
        return tuple(sorted((_deployment(row) for row in found), key=lambda d: d.key))

    async def generations(self) -> Mapping[DeploymentKey, int]:
        columns = deployments.c
        found = await self._all(select(columns.project, columns.environment, columns.stack, columns.generation))
        return {_key(row): row.generation for row in found}

    async def deployment(self, key: DeploymentKey) -> Deployment | None:
        row = await self._first(_DEPLOYMENT, **_names(key))
        return None if row is None else _deployment(row)

    async def holder(self, environment: str, stack: str) -> DeploymentKey | None:
        row = await self._first(_HOLDER, environment=environment, stack=stack)
        return None if row is None else _key(row)

    async def add_deployment(self, deployment: Deployment) -> None:
        key = deployment.key
        if not await self._add(deployments, _names(key) | _wanted(deployment) | {"created": deployment.created}):
            raise Conflict(
                f"The name {key.stack!r} is taken in {key.environment}: a stack's name is unique in its environment. "
                "Choose another one.",
                environment=key.environment,
                stack=key.stack,
            )

    async def save_deployment(self, deployment: Deployment) -> Deployment:
        """The moment of creation stays as it is stored."""
        grown = replace(deployment, generation=deployment.generation + 1)
        unchanged = and_(of(deployments, deployment.key), deployments.c.generation == deployment.generation)
        found = await self._change(update(deployments).where(unchanged).values(_wanted(grown)).returning(deployments.c.created))
        if not found:
            raise Conflict(
                f"{deployment.key.stack} in {deployment.key.environment} was changed or removed by somebody else meanwhile. "
                "Look at it again, then repeat the command.",
                environment=deployment.key.environment,
                stack=deployment.key.stack,
                generation=deployment.generation,
            )
        return replace(grown, created=found[0].created)

    async def delete_deployment(self, key: DeploymentKey) -> None:
        """Revisions and status go with it."""
        await self._change(delete(deployments).where(of(deployments, key)))

    async def revision(self, key: DeploymentKey, number: int) -> Revision | None:
        row = await self._first(_REVISION, **_names(key), number=number)
        return None if row is None else decode_kept(Revision, row.document)

    async def revisions(self, key: DeploymentKey, *, last: int | None = None) -> tuple[Revision, ...]:
        found = await self._all(_REVISIONS.limit(last), **_names(key))
        return tuple(decode_kept(Revision, row.document) for row in reversed(found))

    async def add_revision(self, key: DeploymentKey, revision: Revision) -> None:
        values = _names(key) | {"number": revision.number, "document": encode(revision)}
        if not await self._add(revisions, values):
            raise Conflict(
                f"Somebody else made revision {revision.number} of {key.stack} in {key.environment} meanwhile. "
                "Look at it again, then repeat the command.",
                environment=key.environment,
                stack=key.stack,
                revision=revision.number,
            )

    async def desired_revisions(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, Revision]:
        found = await self._all_within(_DESIRED, deployments, project, environment)
        return {_key(row): decode_kept(Revision, row.document) for row in found}

    async def base_revisions(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, Revision]:
        upgrading = and_(within(deployments, project, environment), deployments.c.upgrade.is_not(None))
        found = [_deployment(row) for row in await self._all(select(deployments).where(upgrading))]
        bases = [and_(of(revisions, d.key), revisions.c.number == d.upgrade.base) for d in found if d.upgrade is not None]
        rows = [row for some in _batched(bases) for row in await self._all(select(revisions).where(or_(*some)))]
        return {_key(row): decode_kept(Revision, row.document) for row in rows}

    async def status(self, key: DeploymentKey) -> DeploymentStatus | None:
        row = await self._first(_STATUS, **_names(key))
        return None if row is None else decode_kept(DeploymentStatus, row.document)

    async def save_status(self, key: DeploymentKey, status: DeploymentStatus) -> None:
        """Does nothing where the deployment was deleted meanwhile."""
        await self._change(_saving_status(self._dialect), **_names(key), document=encode(status))

    async def statuses(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, DeploymentStatus]:
        found = await self._all_within(_STATUSES, statuses, project, environment)
        return {_key(row): decode_kept(DeploymentStatus, row.document) for row in found}


@cache
def _saving_status(dialect: str) -> Executable:
    document = bindparam("document", type_=statuses.c.document.type)
    source = select(*(deployments.c[name] for name in _KEY), document).where(named(deployments, *_KEY))
    insert = insert_into(dialect, statuses).from_select([*_KEY, "document"], source)
    return insert.on_conflict_do_update(index_elements=list(statuses.primary_key), set_={"document": insert.excluded.document})


def _batched(conditions: Sequence[ColumnElement[bool]]) -> Iterator[Sequence[ColumnElement[bool]]]:
    """In pieces that a statement has room for: SQLite nests expressions a thousand deep at most."""
    for first in range(0, len(conditions), 200):
        yield conditions[first : first + 200]


def _key(row: Row[Any]) -> DeploymentKey:
    return DeploymentKey(ProjectName(row.project), EnvironmentName(row.environment), StackName(row.stack))


def _names(key: DeploymentKey) -> dict[str, Any]:
    return {"project": key.project, "environment": key.environment, "stack": key.stack}


def _wanted(deployment: Deployment) -> dict[str, Any]:
    """The columns that each write sets."""
    return {
        "generation": deployment.generation,
        "revision": deployment.revision,
        "goal": deployment.goal.value,
        "wishes": encode(deployment.wishes),
        "remove_volumes": deployment.remove_volumes,
        "changed": deployment.changed,
        "upgrade": None if deployment.upgrade is None else encode(deployment.upgrade),
        "numbers": encode(deployment.numbers),
    }


def _deployment(row: Row[Any]) -> Deployment:
    return Deployment(
        key=_key(row),
        generation=row.generation,
        revision=row.revision,
        goal=Goal(row.goal),
        wishes=decode_kept(tuple[ServiceWish, ...], row.wishes),
        remove_volumes=row.remove_volumes,
        created=row.created,
        changed=row.changed,
        upgrade=None if row.upgrade is None else decode_kept(Upgrade, row.upgrade),
        numbers=decode_kept(tuple[tuple[str, int], ...], row.numbers),
    )
