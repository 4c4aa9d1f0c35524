"""Deploy a stack from a Compose document, or show what that would change."""

from __future__ import annotations

from spin.access import Action
from spin.model.principal import Principal
from spin.model.revision import Origin
from spin.model.stack import FailureAction
from spin.model.submission import Submission
from spin.usecases.admission import admit, examine, target
from spin.usecases.journal import audited
from spin.usecases.platform import Platform
from spin.usecases.record import preview, record
from spin.usecases.views import Accepted, Preview


@audited("up")
async def deploy(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    submission: Submission,
    *,
    expect_generation: int | None = None,
    note: str = "",
    force: bool = False,
    on_failure: FailureAction | None = None,
) -> Accepted:
    """Make the document what is wanted of the stack. `force`: replace every container, also where nothing has changed.

    `on_failure`: what becomes of it if it is an upgrade that fails; None: as the services and the environment say.
    Raises InvalidInput, Refused, NotFound, NotAllowed, Conflict or Unavailable; then nothing at all has been written.
    """
    async with platform.store.begin() as work:
        key, current = await target(
            platform, work, principal, Action.DEPLOY, project, environment, stack, expect_generation=expect_generation
        )
    candidate = await examine(platform, principal, key, submission, current)
    async with platform.store.begin(write=True) as work:
        _, current = await target(
            platform, work, principal, Action.DEPLOY, project, environment, stack, expect_generation=expect_generation
        )
        await admit(work, platform, principal, candidate)
        answer = await record(
            work,
            principal,
            candidate,
            current,
            origin=Origin.UP,
            now=platform.clock.now(),
            note=note,
            force=force,
            on_failure=on_failure,
        )
    platform.changed(key)
    return answer


async def plan_deploy(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    submission: Submission,
    *,
    force: bool = False,
) -> Preview:
    """What `deploy` would change. Raises what `deploy` would raise; writes nothing."""
    async with platform.store.begin() as work:
        key, current = await target(platform, work, principal, Action.DEPLOY, project, environment, stack)
    candidate = await examine(platform, principal, key, submission, current)
    async with platform.store.begin() as work:
        _, current = await target(platform, work, principal, Action.DEPLOY, project, environment, stack)
        await admit(work, platform, principal, candidate)
        return await preview(work, candidate, current, force=force)
