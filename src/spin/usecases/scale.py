"""Scale services: a new revision with other numbers of replicas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spin.access import Action
from spin.errors import InvalidInput
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.revision import Origin
from spin.model.stack import StackSpec
from spin.ports.store import UnitOfWork
from spin.usecases.admission import Candidate, Current, admit, reexamine, target
from spin.usecases.journal import audited
from spin.usecases.logs import no_service
from spin.usecases.platform import Platform
from spin.usecases.record import preview, record
from spin.usecases.rights import check_generation, no_stack
from spin.usecases.views import Accepted, Preview


@audited("scale")
async def scale(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    replicas: Mapping[str, int],
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Run that many containers of each service named; the others stay as they are.

    An upgrade that is unconfirmed stays so. Raises InvalidInput, Refused, NotFound (stack or service), NotAllowed, Conflict.
    """
    candidate, seen = await _candidate(platform, principal, project, environment, stack, replicas)
    check_generation(candidate.key, expect_generation, seen)
    async with platform.store.begin(write=True) as work:
        current = await _again(platform, work, principal, candidate.key, seen)
        await admit(work, platform, principal, candidate)
        answer = await record(work, principal, candidate, current, origin=Origin.SCALE, now=platform.clock.now(), run=False)
    platform.changed(candidate.key)
    return answer


async def plan_scale(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, replicas: Mapping[str, int]
) -> Preview:
    """What `scale` would change. Raises what it would raise; writes nothing."""
    candidate, seen = await _candidate(platform, principal, project, environment, stack, replicas)
    async with platform.store.begin() as work:
        current = await _again(platform, work, principal, candidate.key, seen)
        await admit(work, platform, principal, candidate)
        return await preview(work, candidate, current)


async def _candidate(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, replicas: Mapping[str, int]
) -> tuple[Candidate, int]:
    async with platform.store.begin() as work:
        key, current = await target(platform, work, principal, Action.SCALE, project, environment, stack)
    if current.spec is None:
        raise no_stack(key)
    spec = _scaled(key, current.spec, replicas)
    return await reexamine(platform, principal, key, spec, {}, moved=False), current.generation


def _scaled(key: DeploymentKey, spec: StackSpec, replicas: Mapping[str, int]) -> StackSpec:
    if not replicas:
        raise InvalidInput("Say which service, and how many: SERVICE=NUMBER.", key="replicas")
    for name, number in replicas.items():
        service = spec.service(name)
        if service is None:
            raise no_service(key, name, tuple(s.name for s in spec.services))
        if number < 0:
            raise InvalidInput(f"Service {name!r}: there cannot be {number} containers.", key="replicas", service=name)
        spec = spec.with_service(replace(service, replicas=number))
    return spec


async def _again(platform: Platform, work: UnitOfWork, principal: Principal, key: DeploymentKey, seen: int) -> Current:
    """The deployment, unchanged since it was looked at: the new state was derived from the old."""
    _, current = await target(
        platform, work, principal, Action.SCALE, key.project, key.environment, key.stack, expect_generation=seen
    )
    return current
