"""Stacks: list them, show one, wait until one changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from spin.access import Action
from spin.errors import NotFound
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.principal import Principal
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, find, no_stack
from spin.usecases.views import StackView, removed_view

LONGEST_WAIT = 30.0
"""Seconds a request may wait for news."""
LOOK_EVERY = 1.0
"""Seconds after which a waiting request looks by itself, in case that nobody pokes it."""


async def list_stacks(platform: Platform, principal: Principal, project: str, environment: str) -> tuple[StackView, ...]:
    """The project's stacks in one environment, by name."""
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
        where = platform.environment(environment).name
        deployments = await work.deployments(name, where)
        revisions = await work.desired_revisions(name, where)
        statuses = await work.statuses(name, where)
    return tuple(
        platform.views.view(platform.site, d, revisions[d.key], statuses.get(d.key)) for d in deployments if d.key in revisions
    )


async def show_stack(platform: Platform, principal: Principal, project: str, environment: str, stack: str) -> StackView:
    """One stack. Raises NotFound."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = await work.revision(deployment.key, deployment.revision)
        status = await work.status(deployment.key)
    if revision is None:
        raise no_stack(deployment.key)
    return platform.views.view(platform.site, deployment, revision, status)


async def watch_stack(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    seen: str,
    wait: float,
    gone: Callable[[], Awaitable[bool]] | None = None,
) -> StackView:
    """The stack as soon as its token is another than `seen`, at the latest after `wait` seconds (30 at most).

    `gone` tells whether the one who asked has hung up. A stack that vanishes meanwhile is answered once, as removed; raises
    NotFound where there was none to begin with.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(max(wait, 0.0), LONGEST_WAIT)
    key = DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))
    last: StackView | None = None
    with platform.notifier.listen(key) as poked:
        while True:
            poked.clear()
            try:
                last = await show_stack(platform, principal, project, environment, stack)
            except NotFound:
                if last is None:
                    raise
                return removed_view(last)
            left = deadline - loop.time()
            if last.token != seen or left <= 0 or platform.notifier.closed:
                return last
            if gone is not None and await gone():
                return last
            try:
                async with asyncio.timeout(min(left, LOOK_EVERY)):
                    await poked.wait()
            except TimeoutError:
                pass
