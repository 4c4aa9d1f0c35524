"""Writing an admitted stack down, or showing what that would change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from spin.model.principal import Principal
from spin.model.revision import Deployment, Origin, Revision, ServiceWish
from spin.model.stack import FailureAction, StackSpec
from spin.model.status import DeploymentStatus, Progress
from spin.plan import Action, Changes, compare, progress_of, upgrades
from spin.ports.store import UnitOfWork
from spin.usecases.admission import Candidate, Current, secret_versions
from spin.usecases.journal import accepted_change
from spin.usecases.views import Accepted, Preview, accepted


async def preview(work: UnitOfWork, candidate: Candidate, current: Current, *, force: bool = False) -> Preview:
    """What `record` would do."""
    versions = await secret_versions(work, candidate)
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=versions)
    if current.deployment is not None:
        progress = _progress(current.deployment, await work.status(candidate.key))
        changes = _replacing(changes, _anew(changes, progress, force=force))
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

    Where nothing differs from the desired state there is no new revision. An upgrade that has failed is tried again, with new
    containers. `run`: services that were stopped run again, as after `docker compose up`. `force`: all containers are replaced.
    `on_failure`: what becomes of the upgrade, if it is one and fails. Raises Conflict when somebody else was faster.
    """
    key = candidate.key
    pairs = await _store_secrets(work, principal, candidate, now)
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=pairs)
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
        status = await work.status(key)
        progress = _progress(old, status)
        anew = _anew(changes, progress, force=force)
        changes = _replacing(changes, anew)
        deployment = _pointed(old, candidate.spec, number, anew, run=run)
        if not same or anew:
            worked = await _worked(work, current, status)
            upgrade = upgrades.accept(old, changes, now, worked=worked, force=force, on_failure=on_failure)
            deployment = replace(deployment, upgrade=upgrade)
        if deployment != old:
            deployment = await work.save_deployment(replace(deployment, changed=now))
    if not same:
        await work.add_revision(key, revision)
    if not same or (old is not None and deployment != old):
        await accepted_change(
            work,
            principal,
            origin.value,
            f"revision {number}: {changes.summary}" if not same else f"revision {number} again",
            now,
            key=key,
            revision=number,
            cause=note,
        )
    return accepted(deployment, changes, candidate.findings)


async def _store_secrets(
    work: UnitOfWork, principal: Principal, candidate: Candidate, now: datetime
) -> tuple[tuple[str, int], ...]:
    """Store the values that came with it; the version of each secret that the stack has then."""
    key = candidate.key
    versions = dict(await secret_versions(work, candidate))
    for name, value in sorted(candidate.secrets.items()):
        info = await work.add_secret(key.project, key.environment, name, value, principal.user, now)
        versions[name] = info.version
    return tuple(sorted(versions.items()))


def _progress(deployment: Deployment, status: DeploymentStatus | None) -> Progress | None:
    return progress_of(deployment, None if status is None else status.progress)


def _anew(changes: Changes, progress: Progress | None, *, force: bool) -> frozenset[str]:
    """The services that get new containers though nothing about them has changed: all, or those with which an upgrade has failed."""
    failure = None if progress is None else progress.failure
    failed = frozenset() if failure is None else frozenset({failure.service, *failure.held})
    stay = (s.name for s in changes.services if s.action in (Action.CHANGE, Action.UNCHANGED) and not s.replaces)
    return frozenset(name for name in stay if force or name in failed)


def _replacing(changes: Changes, anew: Collection[str]) -> Changes:
    services = (replace(s, action=Action.CHANGE, replaces=True) if s.name in anew else s for s in changes.services)
    return replace(changes, services=tuple(services))


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


def _pointed(old: Deployment, spec: StackSpec, revision: int, anew: Collection[str], *, run: bool) -> Deployment:
    """The deployment at that revision, with the services `anew` restarted; wishes for services that are gone are dropped."""
    wishes = []
    for wish in (old.wish(s.name) for s in spec.services):
        changed = replace(wish, stopped=wish.stopped and not run, restarts=wish.restarts + (wish.service in anew))
        if changed != ServiceWish(wish.service):
            wishes.append(changed)
    return replace(old, revision=revision, wishes=tuple(wishes), numbers=upgrades.numbered(old.numbers, spec))
