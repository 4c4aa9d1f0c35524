"""What containers use: now, in the last hours, and whether limits fit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from spin.access import Action
from spin.errors import Unavailable
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.principal import Principal
from spin.model.usage import STEP, Sample, Usage
from spin.plan.routes import hosts_of
from spin.plan.usage import Advice, Reading, advice, coarser, merge, step_of, summed
from spin.usecases.logs import no_service
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, find

log = structlog.get_logger("spin.usecases")

APART = 0.5
"""Seconds between the two looks where there was none before."""


@dataclass(frozen=True, slots=True)
class StatsView:
    """What one container uses now."""

    stack: str
    service: str
    slot: int
    name: str
    id: str
    time: datetime
    cpu: float | None
    """Cores, on average over `seconds`; None where that cannot be told yet."""
    cpu_limit: float
    seconds: float
    throttled: float
    """Part of the time that it worked in which it wanted more processor time than its limit."""
    memory: int
    memory_limit: int
    """Bytes; 0 = none."""
    received: int
    """Bytes since it was started, as the next three."""
    sent: int
    read: int
    written: int
    pids: int


@dataclass(frozen=True, slots=True)
class UsageView:
    """What a service used in a step of time: see `spin.model.usage.Usage`."""

    service: str
    start: datetime
    seconds: int
    """Length of the step."""
    containers: int
    cpu_avg: float
    """Cores, of one container, as the next three."""
    cpu_min: float
    cpu_max: float
    cpu_limit: float
    throttled: float
    memory_avg: int
    """Bytes, of one container, as the next three."""
    memory_min: int
    memory_max: int
    memory_limit: int
    received: int
    """Bytes in this step, of all containers, as the next three."""
    sent: int
    read: int
    written: int
    failed: int
    """Answers with status 5xx that visitors got through the edge."""


async def stats(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str | None = None,
    *,
    service: str | None = None,
) -> tuple[StatsView, ...]:
    """What the running containers use now: of a stack, or of all of the project's stacks in the environment.

    Raises NotFound, NotAllowed, and EngineUnavailable.
    """
    if stack is None:
        async with platform.store.begin() as work:
            project = await allow(work, principal, Action.READ, project)
        environment = platform.environment(environment).name
    else:
        await _find(platform, principal, project, environment, stack, service)
    engine = platform.engine(environment)

    async def look() -> tuple[Reading, ...]:
        found = await engine.stats(project, environment, stack)
        return platform.meter.look(s for s in found if service in (None, s.service))

    readings = await look()
    if any(each.cpu is None for each in readings):
        await asyncio.sleep(APART)
        readings = await look()
    return tuple(_view(each) for each in sorted(readings, key=_order))


async def history(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    service: str | None = None,
    since: datetime | None = None,
    step: timedelta = STEP,
) -> tuple[UsageView, ...]:
    """What the stack's services used, in steps of `step`, a multiple of five minutes. Raises NotFound and NotAllowed."""
    found = await _remembered(platform, principal, project, environment, stack, service, since)
    return tuple(_usage_view(each, step) for each in coarser(found, step))


async def advise(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, *, service: str | None = None
) -> tuple[Advice, ...]:
    """Whether the limits of the stack's services fit what they used. Raises NotFound and NotAllowed."""
    return advice(await _remembered(platform, principal, project, environment, stack, service, None))


async def sample(platform: Platform, *, over: float = 0.0) -> None:
    """Note what all containers use, in the step of time that is now. `over`: seconds over which the looks are spread.

    Containers of an engine that does not answer have nothing noted. Raises Unavailable where the store does not answer.
    """
    engines = tuple(set(platform.engines.values()))
    answers = await asyncio.gather(*(engine.stats(over=over) for engine in engines), return_exceptions=True)
    samples: list[Sample] = []
    for engine, answer in zip(engines, answers, strict=True):
        if isinstance(answer, Unavailable):
            log.info("what containers use cannot be seen", kind=engine.capabilities.kind, reason=answer.message)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            samples += answer
    await note(platform, summed(platform.meter.round(samples)))
    await note(platform, await _failed(platform))


async def _failed(platform: Platform) -> tuple[Usage, ...]:
    """What visitors met since the last look, by service."""
    if platform.edge is None:
        return ()
    try:
        counts = await platform.edge.failures()
    except Unavailable as error:
        log.info("what visitors met cannot be seen", reason=error.message)
        return ()
    start = step_of(platform.clock.now())
    found: dict[tuple[DeploymentKey, str], int] = {}
    async with platform.store.begin() as work:
        for owner in {owner for owner, _ in counts}:
            project, environment, stack = owner.split("/")
            key = DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))
            deployment = await work.deployment(key)
            revision = None if deployment is None else await work.revision(key, deployment.revision)
            for service in () if revision is None else revision.spec.services:
                hosts = hosts_of(key, service, platform.site.domain) if service.http is not None else ()
                count = sum(counts.get((owner, host), 0) for host in hosts)
                if count:
                    found[key, service.name] = count
    return tuple(Usage(key, service, start, failed=count) for (key, service), count in found.items())


async def note(platform: Platform, found: Iterable[Usage]) -> None:
    """Add to what is remembered of these services and steps. So a restart in the middle of a step loses a minute at most."""
    added = {(each.key, each.service, each.start): each for each in found}
    if not added:
        return
    async with platform.store.begin(write=True) as work:
        known = {(u.key, u.service, u.start): u for u in await work.usage_from(min(start for _, _, start in added))}
        await work.save_usage([merge(known[name], each) if name in known else each for name, each in added.items()])


async def _remembered(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    service: str | None,
    since: datetime | None,
) -> tuple[Usage, ...]:
    key = await _find(platform, principal, project, environment, stack, service)
    async with platform.store.begin() as work:
        return await work.usage(key, service=service, since=None if since is None else step_of(since))


async def _find(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, service: str | None
) -> DeploymentKey:
    """The stack, if the person may look at it. Raises NotFound, also where it has no such service, and NotAllowed."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = None if service is None else await work.revision(deployment.key, deployment.revision)
    if service is not None and revision is not None and revision.spec.service(service) is None:
        raise no_service(deployment.key, service, tuple(s.name for s in revision.spec.services))
    return deployment.key


def _order(each: Reading) -> tuple[DeploymentKey, str, int, str]:
    return each.sample.key, each.sample.service, each.sample.slot, each.sample.id


def _view(each: Reading) -> StatsView:
    sample = each.sample
    return StatsView(
        stack=sample.key.stack,
        service=sample.service,
        slot=sample.slot,
        name=sample.container,
        id=sample.id,
        time=sample.time,
        cpu=None if each.cpu is None else round(each.cpu, 4),
        cpu_limit=sample.cpus,
        seconds=round(each.seconds, 2),
        throttled=_share(each.throttled, each.periods),
        memory=sample.memory,
        memory_limit=sample.memory_limit,
        received=sample.received,
        sent=sample.sent,
        read=sample.read,
        written=sample.written,
        pids=sample.pids,
    )


def _usage_view(each: Usage, step: timedelta) -> UsageView:
    return UsageView(
        service=each.service,
        start=each.start,
        seconds=round(step.total_seconds()),
        containers=each.containers,
        cpu_avg=each.cpu_avg / 1000,
        cpu_min=each.cpu_min / 1000,
        cpu_max=each.cpu_max / 1000,
        cpu_limit=each.cpu_limit / 1000,
        throttled=_share(each.throttled, each.periods),
        memory_avg=each.memory_avg,
        memory_min=each.memory_min,
        memory_max=each.memory_max,
        memory_limit=each.memory_limit,
        received=each.received,
        sent=each.sent,
        read=each.read,
        written=each.written,
        failed=each.failed,
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
