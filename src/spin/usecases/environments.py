"""Environments: which there are, and whether their engines answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from spin.model.principal import Principal
from spin.ports.engine import Engine, Health
from spin.usecases.platform import Platform
from spin.usecases.rights import readable

PATIENCE = 5.0
"""Seconds after which an engine that says nothing counts as unreachable."""


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    name: str
    description: str
    engine: str
    reachable: bool
    version: str
    detail: str
    stacks: int
    """How many stacks of one's own projects are in it; for operators all."""


async def list_environments(platform: Platform, principal: Principal) -> tuple[EnvironmentView, ...]:
    """In the order of the site file."""
    async with platform.store.begin() as work:
        deployments = await work.deployments()
    counts = Counter(str(d.key.environment) for d in deployments if readable(principal, d.key.project))
    kinds = sorted({e.engine for e in platform.site.environments})
    answers = await asyncio.gather(*(_health(platform.engines.get(kind)) for kind in kinds))
    health = dict(zip(kinds, answers, strict=True))
    return tuple(
        EnvironmentView(
            name=e.name,
            description=e.description,
            engine=e.engine,
            reachable=health[e.engine].reachable,
            version=health[e.engine].version,
            detail=health[e.engine].detail,
            stacks=counts[e.name],
        )
        for e in platform.site.environments
    )


async def _health(engine: Engine | None) -> Health:
    if engine is None:
        return Health(reachable=False, detail="The site file names an engine that this platform does not have.")
    try:
        async with asyncio.timeout(PATIENCE):
            return await engine.health()
    except TimeoutError:
        return Health(reachable=False, detail=f"The engine has not answered for {PATIENCE:g} s.")
