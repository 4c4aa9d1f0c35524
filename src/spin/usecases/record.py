"""Writing an admitted stack down, or showing what that would change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from spin.model.principal import Principal
from spin.model.revision import Deployment, Origin, Revision, ServiceWish
from spin.model.stack import FailureAction, StackSpec
from spin.model.status import DeploymentStatus
from spin.plan import Action, Changes, compare, progress_of, upgrades
from spin.ports.store import UnitOfWork
from spin.usecases.admission import Candidate, Current, secret_versions
from spin.usecases.views import Accepted, Preview, accepted


async def preview(work: UnitOfWork, candidate: Candidate, current: Current, *, force: bool = False) -> Preview:
    """What `record` would do."""
    versions = await secret_versions(work, candidate)
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=versions)
    if force:
        changes = _forced(changes)
    return Preview(changes, candidate.findings, changes.empty, current.generation)


async def record(
    work: UnitOfWork,
    principal: Principal,
    candidate: Candidate,
    current: Current,
    *,
    origin: Origin,
    now: datetime,
    note: str = "",
    run: bool = True,
    force: bool = False,
    on_failure: FailureAction | None = None,
) -> Accepted:
    """Append the revision and point the deployment at it, within the caller's write transaction.

    Where nothing differs from the desired state there is no new revision; an upgrade that has failed is tried again then. `run`:
    services that were stopped run again, as after `docker compose up`. `force`: all containers are replaced. `on_failure`: what
    becomes of the upgrade, if it is one and fails. Raises Conflict when somebody else was faster.
    """
    key = candidate.key
    versions = dict(await secret_versions(work, candidate))
    for name, value in sorted(candidate.secrets.items()):
        info = await work.add_secret(key.project, key.environment, name, value, principal.user, now)
        versions[name] = info.version
    pairs = tuple(sorted(versions.items()))
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=pairs)
    if force:
        changes = _forced(changes)
    old = current.deployment
    number = old.revision if old is not None else 0
    same = current.revision is not None and current.spec == candidate.spec and current.secret_versions == pairs and not force
    if not same:
        number += 1  # the desired revision is the newest: every verb appends
        revision = Revision(number, candidate.spec, pairs, principal.user, now, origin, candidate.findings, note)
    if old is None:
        numbers = upgrades.numbered((), candidate.spec)
        deployment = Deployment(key, generation=1, revision=number, created=now, changed=now, numbers=numbers)
        await work.add_deployment(deployment)
    else:
        deployment = _pointed(old, candidate.spec, number, run=run, force=force)
        status = await work.status(key)
        progress = progress_of(old, None if status is None else status.progress)
        failed = progress is not None and progress.failure is not None
        if not same or failed:
            worked = await _worked(work, current, status)
            upgrade = upgrades.accept(old, changes, now, worked=worked, force=force, on_failure=on_failure)
            deployment = replace(deployment, upgrade=upgrade)
        if deployment != old:
            deployment = await work.save_deployment(replace(deployment, changed=now))
    if not same:
        await work.add_revision(key, revision)
    return accepted(deployment, changes, candidate.findings)


def _forced(changes: Changes) -> Changes:
    """With every service that stays replaced."""
    stay = (Action.CHANGE, Action.UNCHANGED)
    return replace(
        changes,
        services=tuple(replace(s, action=Action.CHANGE, replaces=True) if s.action in stay else s for s in changes.services),
    )


async def _worked(work: UnitOfWork, current: Current, status: DeploymentStatus | None) -> bool:
    """Whether the desired revision was seen to run, or one that differs from it in no container (before scaling, for example)."""
    if current.revision is None or current.deployment is None or status is None or not status.worked:
        return False
    if status.worked == current.revision.number:
        return True
    seen = await work.revision(current.deployment.key, status.worked)
    return seen is not None and not upgrades.exchanges(
        compare(seen.spec, current.revision.spec, old_secrets=seen.secret_versions, new_secrets=current.revision.secret_versions)
    )


def _pointed(old: Deployment, spec: StackSpec, revision: int, *, run: bool, force: bool) -> Deployment:
    """The deployment at that revision; wishes for services that are gone are dropped."""
    wishes = []
    for wish in (old.wish(s.name) for s in spec.services):
        changed = replace(wish, stopped=wish.stopped and not run, restarts=wish.restarts + force)
        if changed != ServiceWish(wish.service):
            wishes.append(changed)
    return replace(old, revision=revision, wishes=tuple(wishes), numbers=upgrades.numbered(old.numbers, spec))
