"""The revisions of a stack: list them, and what differs between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spin.access import Action
from spin.errors import InvalidInput
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.revision import Deployment, Revision
from spin.plan import Action as Change
from spin.plan import Changes, PartChange, ServiceChange, compare
from spin.ports.store import UnitOfWork
from spin.usecases.platform import Platform
from spin.usecases.rights import find
from spin.usecases.rollback import no_revision

MOST = 1000
"""Revisions that are told at once."""


@dataclass(frozen=True, slots=True)
class RevisionView:
    number: int
    origin: str
    author: str
    created: datetime
    note: str
    desired: bool
    """It is what is wanted now."""
    confirmed: bool
    """It is the one to which a rollback leads, or the desired one where nothing is unconfirmed."""
    changed: tuple[str, ...]
    """What differs from the revision before, one text for each part: `web: image, environment.MODE`, `+db`, `-cache`."""


@dataclass(frozen=True, slots=True)
class Difference:
    old: int
    """Number of a revision; 0: nothing, where the stack has only one."""
    new: int
    changes: Changes


async def list_revisions(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, *, last: int = MOST
) -> tuple[RevisionView, ...]:
    """The `last` revisions, the newest first. Raises NotFound."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        found = await work.revisions(deployment.key, last=last + 1)
    earlier: list[Revision | None] = [None, *found]
    pairs = list(zip(earlier, found, strict=False))[-last:]
    return tuple(_view(deployment, before, revision) for before, revision in reversed(pairs))


async def diff(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    old: int | None = None,
    new: int | None = None,
) -> Difference:
    """What `new` (else the desired revision) changes in `old` (else the confirmed one, while an upgrade is unconfirmed,
    else the one before).

    Values that look like secrets are masked. Raises NotFound.
    """
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        if old is None and new is not None:
            raise InvalidInput("Say from which revision on: `old`.", key="old")
        later = await _revision(work, deployment.key, new or deployment.revision)
        number = old if old is not None else _compared(deployment)
        earlier = await _revision(work, deployment.key, number) if number else None
    changes = compare(
        None if earlier is None else earlier.spec,
        later.spec,
        old_secrets=() if earlier is None else earlier.secret_versions,
        new_secrets=later.secret_versions,
    )
    return Difference(number, later.number, changes)


def _compared(deployment: Deployment) -> int:
    return deployment.revision - 1 if deployment.upgrade is None else deployment.upgrade.base


async def _revision(work: UnitOfWork, key: DeploymentKey, number: int) -> Revision:
    found = await work.revision(key, number)
    if found is None:
        raise no_revision(key, number)
    return found


def _view(deployment: Deployment, before: Revision | None, revision: Revision) -> RevisionView:
    confirmed = deployment.revision if deployment.upgrade is None else deployment.upgrade.base
    return RevisionView(
        number=revision.number,
        origin=revision.origin.value,
        author=revision.author,
        created=revision.created,
        note=revision.note,
        desired=revision.number == deployment.revision,
        confirmed=revision.number == confirmed,
        changed=_summary(before, revision),
    )


def _summary(before: Revision | None, revision: Revision) -> tuple[str, ...]:
    changes = compare(
        None if before is None else before.spec,
        revision.spec,
        old_secrets=() if before is None else before.secret_versions,
        new_secrets=revision.secret_versions,
    )
    parts: tuple[ServiceChange | PartChange, ...] = (*changes.services, *changes.networks, *changes.volumes)
    return tuple(_word(part) for part in parts if part.action is not Change.UNCHANGED)


def _word(part: ServiceChange | PartChange) -> str:
    match part.action:
        case Change.ADD:
            return f"+{part.name}"
        case Change.REMOVE:
            return f"-{part.name}"
        case _:
            return ": ".join(filter(None, (part.name, ", ".join(k.key for k in part.keys))))
