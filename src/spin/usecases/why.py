"""What is wrong with a stack, since when, and what changed just before."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime

from spin.access import Action
from spin.errors import NotFound, Unavailable
from spin.model.event import EventQuery
from spin.model.log import LogLine, readable
from spin.model.names import DeploymentKey, EnvironmentName, StackName
from spin.model.principal import Principal
from spin.model.revision import Deployment, Revision
from spin.model.why import Explanation, Probed
from spin.plan.timeline import Facts
from spin.plan.why import why as explain
from spin.usecases.logs import LogQuery, logs, no_service
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, no_stack

PATIENCE = 10.0
"""Seconds in which the engine has to say what it knows; without it there is still the journal."""
EVENTS, REVISIONS, LINES, MOST_LINES = 1000, 30, 5, 500
"""How much is looked at: the newest events and revisions, and the last lines of each container."""


async def why(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    service: str | None = None,
    since: datetime | None = None,
    last: int | None = None,
) -> Explanation:
    """The explanation, with the `last` entries of the time-line from `since` on.

    Raises NotFound where nothing is known of such a stack, or it has no such service, and NotAllowed.
    """
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
        key = DeploymentKey(name, EnvironmentName(platform.environment(environment).name), StackName(stack))
        deployment = await work.deployment(key)
        revisions = await work.revisions(key, last=REVISIONS)
        status = await work.status(key)
        events = await work.events(EventQuery(name, key.environment, stack, last=EVENTS))
        usage = await work.usage(key, service=service)
    if deployment is None and not events:
        raise no_stack(key)
    _check_service(key, deployment, revisions, service)
    probed: tuple[Probed, ...] = ()
    lines: tuple[LogLine, ...] = ()
    unreachable = ""
    try:
        async with asyncio.timeout(PATIENCE):
            probed = tuple(p for p in await platform.engine(environment).probes(key) if service in (None, p.service))
            lines = await _last_lines(platform, principal, key, service)
    except Unavailable as error:
        unreachable = error.message
    except TimeoutError:
        unreachable = f"the engine has not answered within {PATIENCE:g} s."
    facts = Facts(key, platform.clock.now(), service, deployment, status, revisions, events, probed, lines, usage, unreachable)
    return explain(facts, since=since, last=last)


def _check_service(
    key: DeploymentKey, deployment: Deployment | None, revisions: tuple[Revision, ...], service: str | None
) -> None:
    """Raises NotFound for a service that no revision at hand has."""
    if service is None or deployment is None:
        return
    known = dict.fromkeys(s.name for revision in reversed(revisions) for s in revision.spec.services)
    if service not in known:
        raise no_service(key, service, tuple(known))


async def _last_lines(platform: Platform, principal: Principal, key: DeploymentKey, service: str | None) -> tuple[LogLine, ...]:
    """What the containers have written last, those that are gone too, as far as their logs are kept."""
    query = LogQuery(service=service, tail=LINES, removed=True)
    found: deque[LogLine] = deque(maxlen=MOST_LINES)
    try:
        pieces = await logs(platform, principal, key.project, key.environment, key.stack, query)
    except NotFound:  # removed meanwhile, or a service of an earlier revision
        return ()
    async for piece in pieces:
        if piece is not None:
            found.extend(readable(piece[0], line) for line in piece[1])
    return tuple(found)
