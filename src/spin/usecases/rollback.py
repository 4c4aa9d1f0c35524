"""Roll back: what ran before the unconfirmed upgrade, or any earlier revision, is wanted again."""

from __future__ import annotations

from dataclasses import replace

from spin.access import Action
from spin.errors import Conflict, NotFound
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.revision import Deployment, Origin, Revision
from spin.plan import compare, upgrades
from spin.ports.store import UnitOfWork
from spin.usecases.admission import admit, revive, target
from spin.usecases.journal import accepted_change, audited
from spin.usecases.operate import refuse_removed
from spin.usecases.platform import Platform
from spin.usecases.record import record
from spin.usecases.rights import check_generation, find, no_stack
from spin.usecases.views import Accepted, accepted


@audited("rollback")
async def rollback(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    to: int | None = None,
    note: str = "",
    expect_generation: int | None = None,
) -> Accepted:
    """Give up the unconfirmed upgrade, in whatever state it is: the containers that were kept run again. With `to` any earlier revision
    is wanted again, with the very images and secrets that it had; that is an upgrade like another, unless it leads back to
    the confirmed revision.

    The way back to the confirmed revision is not examined again: its names, ports and secrets are still its own. Raises NotFound
    (stack or revision), NotAllowed, Conflict where there is nothing to go back to, and, with `to`, what `deploy` raises.
    """
    async with platform.store.begin() as work:
        deployment = await find(
            platform, work, principal, Action.DEPLOY, project, environment, stack, expect_generation=expect_generation
        )
        refuse_removed(deployment)
        wanted = await _wanted(work, deployment, to)
        returns = await _returns(work, deployment, wanted)
    if returns:
        return await _return(platform, principal, deployment, note)
    candidate = await revive(platform, principal, deployment.key, wanted)
    async with platform.store.begin(write=True) as work:
        _, current = await target(
            platform, work, principal, Action.DEPLOY, project, environment, stack, expect_generation=deployment.generation
        )
        await admit(work, platform, principal, candidate)
        answer = await record(
            work,
            principal,
            candidate,
            current,
            origin=Origin.ROLLBACK,
            now=platform.clock.now(),
            note=note or f"to revision {wanted.number}",
        )
    platform.changed(deployment.key)
    return answer


async def _wanted(work: UnitOfWork, deployment: Deployment, to: int | None) -> Revision:
    key = deployment.key
    if to is None and deployment.upgrade is None:
        raise Conflict(
            f"Nothing of {key.stack!r} in {key.environment} is unconfirmed, so there is nothing to roll back. To go back to an earlier "
            f"revision: `spin rollback {key.stack} -e {key.environment} --to REVISION`; `spin revisions {key.stack} "
            f"-e {key.environment}` lists them.",
            revision=deployment.revision,
        )
    number = to if to is not None or deployment.upgrade is None else deployment.upgrade.base
    found = await work.revision(key, number or 0)
    if found is None:
        raise no_revision(key, number or 0)
    return found


def no_revision(key: DeploymentKey, number: int) -> NotFound:
    return NotFound(
        f"The stack {key.stack!r} in {key.environment} has no revision {number}. `spin revisions {key.stack} -e {key.environment}` "
        "lists those it has.",
        project=key.project,
        environment=key.environment,
        stack=key.stack,
        revision=number,
    )


async def _returns(work: UnitOfWork, deployment: Deployment, wanted: Revision) -> bool:
    """Whether `wanted` is, or says the same as, the last confirmed revision, of which the containers are kept."""
    if deployment.upgrade is None:
        return False
    base = await work.revision(deployment.key, deployment.upgrade.base)
    return base is not None and (base.spec, base.secret_versions) == (wanted.spec, wanted.secret_versions)


async def _return(platform: Platform, principal: Principal, seen: Deployment, note: str) -> Accepted:
    key = seen.key
    async with platform.store.begin(write=True) as work:
        deployment = await find(platform, work, principal, Action.DEPLOY, key.project, key.environment, key.stack)
        refuse_removed(deployment)
        check_generation(key, seen.generation, deployment.generation)
        newest = await work.revision(key, deployment.revision)
        base = None if deployment.upgrade is None else await work.revision(key, deployment.upgrade.base)
        if newest is None or base is None:
            raise no_stack(key)
        back, revision = upgrades.roll_back(deployment, newest, base, author=principal.user, note=note, now=platform.clock.now())
        numbers = upgrades.numbered(deployment.numbers, base.spec)
        await work.add_revision(key, revision)
        saved = await work.save_deployment(replace(back, numbers=numbers))
        text = f"revision {revision.number}: back to revision {base.number}"
        await accepted_change(
            work, principal, "rollback", text, platform.clock.now(), key=key, revision=revision.number, cause=note
        )
    platform.changed(key)
    changes = compare(newest.spec, base.spec, old_secrets=newest.secret_versions, new_secrets=base.secret_versions)
    return accepted(saved, changes)
