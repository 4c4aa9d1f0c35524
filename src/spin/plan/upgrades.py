"""What becomes of an upgrade: when one begins, what confirming and rolling back write, and what the controller does by itself.

Functions from values to values; use cases and the controller store what they return.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from spin.model.revision import Deployment, Origin, Revision, ServiceWish, Upgrade
from spin.model.stack import FailureAction, StackSpec, template_digest
from spin.plan.changes import Action, Changes

ROOM = 63
"""Services that a network of usual size (/25) has stable addresses for."""


def exchanges(changes: Changes) -> bool:
    """Whether containers that run are replaced or go away, so that there is something to go back to."""
    return any(s.replaces or s.action is Action.REMOVE for s in changes.services)


def accept(
    old: Deployment,
    changes: Changes,
    now: datetime,
    *,
    worked: bool,
    force: bool = False,
    on_failure: FailureAction | None = None,
) -> Upgrade | None:
    """The upgrade that a new revision over `old` begins or goes on with; None where nothing has to be confirmed.

    `worked`: the revision of `old` was seen to run; there is no way back to one that never did. `force`: everything is replaced.
    """
    if old.upgrade is not None:
        return replace(old.upgrade, changed=now, on_failure=on_failure or old.upgrade.on_failure)
    if not worked or not (force or exchanges(changes)):
        return None
    restarts = tuple((w.service, w.restarts) for w in old.wishes if w.restarts)
    return Upgrade(base=old.revision, restarts=restarts, since=now, changed=now, on_failure=on_failure)


def confirm(deployment: Deployment, now: datetime) -> Deployment:
    """The newest revision is the confirmed one; what was kept of the base goes."""
    return replace(deployment, upgrade=None, changed=now)


def roll_back(
    deployment: Deployment, newest: Revision, base: Revision, *, author: str, note: str, now: datetime
) -> tuple[Deployment, Revision]:
    """The base's content as the next revision, confirmed: the same templates, so the very containers that were kept run again.

    `newest` is the deployment's revision, `base` that of its upgrade. Raises ValueError where no upgrade is unconfirmed.
    """
    upgrade = deployment.upgrade
    if upgrade is None:
        raise ValueError(f"{deployment.key} has no unconfirmed upgrade")
    number = newest.number + 1
    revision = replace(
        base, number=number, author=author, created=now, origin=Origin.ROLLBACK, note=note or f"to revision {base.number}"
    )
    was = dict(upgrade.restarts)
    wishes = []
    for service in base.spec.services:
        wish = deployment.wish(service.name)
        then = was.get(service.name, 0)
        before = newest.spec.service(service.name)
        same = before is not None and template_digest(
            newest.spec, before, newest.secret_versions, wish.restarts
        ) == template_digest(base.spec, service, base.secret_versions, then)
        wish = replace(wish, restarts=then)
        wishes.append(wish if same else replace(wish, started=now, resumed=upgrade.since))
    kept = tuple(w for w in wishes if w != ServiceWish(w.service))
    return replace(deployment, revision=number, upgrade=None, wishes=kept, changed=now), revision


def numbered(numbers: tuple[tuple[str, int], ...], spec: StackSpec, *, most: int = ROOM) -> tuple[tuple[str, int], ...]:
    """`numbers` with one for each service of `spec`: the lowest that none has had; those of services long gone when all are used."""
    found = dict(numbers)
    wanted = [s.name for s in spec.services]
    for name in wanted:
        if name in found:
            continue
        free = next((n for n in range(1, most + 1) if n not in found.values()), None)
        if free is None:
            gone = next((other for other in sorted(found) if other not in wanted), None)
            if gone is None:
                continue
            free = found.pop(gone)
        found[name] = free
    return tuple(sorted(found.items()))
