"""Confirm an upgrade: what was kept of the revision before goes."""

from __future__ import annotations

from spin.access import Action
from spin.errors import Conflict
from spin.model.principal import Principal
from spin.model.revision import Deployment, Origin
from spin.model.status import DeploymentStatus
from spin.plan import progress_of, upgrades
from spin.ports.store import UnitOfWork
from spin.usecases.journal import accepted_change, audited
from spin.usecases.operate import refuse_removed
from spin.usecases.platform import Platform
from spin.usecases.rights import find
from spin.usecases.views import Accepted, accepted


@audited("confirm")
async def confirm(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Make the newest revision the confirmed one. What is confirmed already stays so, and that is no error: scripts may repeat it.

    Raises NotFound, NotAllowed, and Conflict, which says what to do, while the upgrade is under way, when it has failed, and when the
    stack was rolled back instead: the success of a confirmation would be taken for that of the upgrade.
    """
    async with platform.store.begin(write=True) as work:
        deployment = await find(
            platform, work, principal, Action.DEPLOY, project, environment, stack, expect_generation=expect_generation
        )
        refuse_removed(deployment)
        if deployment.upgrade is None:
            await _refuse_rolled_back(work, deployment)
        else:
            _refuse_unfinished(deployment, await work.status(deployment.key))
            now = platform.clock.now()
            deployment = await work.save_deployment(upgrades.confirm(deployment, now))
            text = f"revision {deployment.revision} is confirmed"
            await accepted_change(work, principal, "confirm", text, now, key=deployment.key, revision=deployment.revision)
    platform.changed(deployment.key)
    return accepted(deployment)


async def _refuse_rolled_back(work: UnitOfWork, deployment: Deployment) -> None:
    revision = await work.revision(deployment.key, deployment.revision)
    if revision is not None and revision.origin is Origin.ROLLBACK:
        key = deployment.key
        raise Conflict(
            f"There is nothing to confirm: {key.stack!r} in {key.environment} was rolled back (revision {revision.number}, "
            f"{revision.note.partition(chr(10))[0]}).",
            revision=revision.number,
        )


def _refuse_unfinished(deployment: Deployment, status: DeploymentStatus | None) -> None:
    key = deployment.key
    progress = progress_of(deployment, None if status is None else status.progress)
    if progress is not None and progress.failure is not None:
        raise Conflict(
            f"The upgrade of {key.stack!r} in {key.environment} has failed: {progress.failure.reason}. Go back with "
            f"`spin rollback {key.stack} -e {key.environment}`, or bring it up again with `spin up`.",
            service=progress.failure.service,
            revision=deployment.revision,
        )
    if progress is None or progress.complete is None:
        raise Conflict(
            f"The upgrade of {key.stack!r} in {key.environment} is not complete: confirm it when "
            f"`spin ps {key.stack} -e {key.environment}` shows it as upgraded, or go back with "
            f"`spin rollback {key.stack} -e {key.environment}`.",
            revision=deployment.revision,
        )
