"""What there is to measure of the stacks that a person may see, and whether the platform's parts answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import partial

from spin.errors import SpinError
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.revision import Deployment, Goal
from spin.model.status import DeploymentStatus
from spin.usecases.platform import Platform, Readiness
from spin.usecases.rights import readable

PATIENCE = 2.0
"""Seconds after which a part that says nothing counts as not ready: a load balancer asks every few seconds."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a service's containers use together, as of the last round over all containers."""

    service: str
    cpu: float
    """Cores."""
    memory: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One deployment; `status` is None until the controller has looked at it."""

    deployment: Deployment
    status: DeploymentStatus | None
    uses: tuple[Use, ...] = ()


async def measured(platform: Platform, principal: Principal) -> tuple[Measured, ...]:
    """The deployments of one's own projects, for operators all, in two queries however many there are."""
    async with platform.store.begin() as work:
        deployments = await work.deployments()
        statuses = await work.statuses()
    uses = _uses(platform)
    return tuple(
        Measured(d, statuses.get(d.key), uses.get(d.key, ()))
        for d in deployments
        if d.goal is Goal.RUNNING and (principal.operator or readable(principal, d.key.project))
    )


def _uses(platform: Platform) -> dict[DeploymentKey, tuple[Use, ...]]:
    found: dict[DeploymentKey, dict[str, Use]] = {}
    for each in platform.meter.rounds:
        services = found.setdefault(each.sample.key, {})
        before = services.get(each.sample.service, Use(each.sample.service, 0.0, 0))
        services[before.service] = Use(before.service, before.cpu + (each.cpu or 0.0), before.memory + each.sample.memory)
    return {key: tuple(services.values()) for key, services in found.items()}


async def readiness(platform: Platform) -> Readiness:
    """The store and each engine. Stacks go on without the platform, so this is about changes and looks, not about visitors.

    Anybody may ask, without a key, so the parts are asked once for all who do at the same time.
    """
    return await platform.ready.ask(partial(_readiness, platform))


async def _readiness(platform: Platform) -> Readiness:
    engines = {f"engine {kind}": _engine(platform, kind) for kind in sorted(platform.engines)}
    checks = {"store": _store(platform), **engines}
    answers = await asyncio.gather(*(_patiently(check) for check in checks.values()))
    parts = dict(zip(checks, answers, strict=True))
    return Readiness(all(answer == "ok" for answer in answers), parts)


async def _patiently(check: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check
    except TimeoutError:
        return "does not answer"
    except SpinError as error:
        return error.code


async def _store(platform: Platform) -> str:
    async with platform.store.begin() as work:
        await work.newest_event()
    return "ok"


async def _engine(platform: Platform, kind: str) -> str:
    return "ok" if (await platform.engines[kind].health()).reachable else "does not answer"
