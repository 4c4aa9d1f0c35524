"""Logs: the lines of a stack's containers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from spin.access import Action
from spin.errors import NotFound
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.ports.engine import LogLine, LogQuery
from spin.usecases.platform import Platform
from spin.usecases.rights import find, no_stack


async def logs(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, query: LogQuery
) -> AsyncIterator[LogLine]:
    """The lines that `query` asks for, merged by time. The iterator raises EngineUnavailable.

    Raises NotFound when there is no such stack, or no such service in it.
    """
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = await work.revision(deployment.key, deployment.revision)
    if revision is None:
        raise no_stack(deployment.key)
    if query.service is not None and revision.spec.service(query.service) is None:
        raise no_service(deployment.key, query.service, tuple(s.name for s in revision.spec.services))
    return platform.engine(deployment.key.environment).logs(deployment.key, query)


def no_service(key: DeploymentKey, service: str, known: tuple[str, ...]) -> NotFound:
    return NotFound(
        f"The stack {key.stack!r} has no service {service!r}. It has: {', '.join(known)}.",
        stack=key.stack,
        environment=key.environment,
        service=service,
    )
