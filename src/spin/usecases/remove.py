"""Remove a stack: its containers, networks and names; its volumes only when an owner says so."""

from __future__ import annotations

from dataclasses import replace

from spin.access import Action
from spin.model.principal import Principal
from spin.model.revision import Goal
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import find
from spin.usecases.views import Accepted, accepted


@audited("rm")
async def remove(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    volumes: bool = False,
    expect_generation: int | None = None,
) -> Accepted:
    """Ask for the removal, which the controller carries out. Asking twice is asking once.

    Raises NotFound, NotAllowed, and Conflict where the stack is no longer at `expect_generation`.
    """
    async with platform.store.begin(write=True) as work:
        action = Action.REMOVE_VOLUMES if volumes else Action.REMOVE
        deployment = await find(
            platform, work, principal, action, project, environment, stack, expect_generation=expect_generation
        )
        wanted = replace(deployment, goal=Goal.REMOVED, remove_volumes=deployment.remove_volumes or volumes)
        if wanted != deployment:
            now = platform.clock.now()
            deployment = await work.save_deployment(replace(wanted, changed=now))
            text = "the stack is to be removed" + (", with its volumes" if wanted.remove_volumes else "")
            await accepted_change(work, principal, "rm", text, now, key=deployment.key)
    platform.changed(deployment.key)
    return accepted(deployment)
