"""Start, stop, restart: wishes beside the revision, for some of a stack's services or for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spin.access import Action
from spin.errors import Conflict
from spin.model.principal import Principal
from spin.model.revision import Deployment, Goal, ServiceWish
from spin.usecases.journal import accepted_change, audited
from spin.usecases.logs import no_service
from spin.usecases.platform import Platform
from spin.usecases.rights import find, no_stack
from spin.usecases.views import Accepted, accepted


@audited("start")
async def start(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    services: Sequence[str] = (),
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Run what was stopped, and run once more what ended by itself."""
    now = platform.clock.now()

    def change(wish: ServiceWish) -> ServiceWish:
        return replace(wish, stopped=False, started=now, resumed=None)

    return await _wish(platform, principal, project, environment, stack, services, change, expect_generation, "start")


@audited("stop")
async def stop(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    services: Sequence[str] = (),
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Stop the containers and keep everything else."""

    def change(wish: ServiceWish) -> ServiceWish:
        return replace(wish, stopped=True)

    return await _wish(platform, principal, project, environment, stack, services, change, expect_generation, "stop")


@audited("restart")
async def restart(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    services: Sequence[str] = (),
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Replace the containers by new ones of the same revision, as gently as an upgrade; what was stopped runs again."""

    def change(wish: ServiceWish) -> ServiceWish:
        return replace(wish, stopped=False, restarts=wish.restarts + 1)

    return await _wish(platform, principal, project, environment, stack, services, change, expect_generation, "restart")


async def _wish(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    services: Sequence[str],
    change: Callable[[ServiceWish], ServiceWish],
    expect_generation: int | None,
    verb: str,
) -> Accepted:
    """Raises NotFound for an unknown stack or service, Conflict while the stack is being removed or is not at `expect_generation`."""
    async with platform.store.begin(write=True) as work:
        deployment = await find(
            platform, work, principal, Action.OPERATE, project, environment, stack, expect_generation=expect_generation
        )
        refuse_removed(deployment)
        revision = await work.revision(deployment.key, deployment.revision)
        if revision is None:
            raise no_stack(deployment.key)
        known = tuple(s.name for s in revision.spec.services)
        for service in services:
            if service not in known:
                raise no_service(deployment.key, service, known)
        chosen = set(services or known)
        wishes = tuple(change(deployment.wish(name)) if name in chosen else deployment.wish(name) for name in known)
        wishes = tuple(w for w in wishes if w != ServiceWish(w.service))
        if wishes != deployment.wishes:
            now = platform.clock.now()
            deployment = await work.save_deployment(replace(deployment, wishes=wishes, changed=now))
            text = f"{verb} {', '.join(sorted(chosen)) if services else 'the whole stack'}"
            await accepted_change(work, principal, verb, text, now, key=deployment.key, revision=deployment.revision)
    platform.changed(deployment.key)
    return accepted(deployment)


def refuse_removed(deployment: Deployment) -> None:
    """Raises Conflict while the deployment is on its way out."""
    if deployment.goal is Goal.REMOVED:
        raise Conflict(
            f"The stack {deployment.key.stack!r} in {deployment.key.environment} is being removed: wait until `spin stack ls` "
            "no longer shows it, or use another name.",
            environment=deployment.key.environment,
            stack=deployment.key.stack,
        )
