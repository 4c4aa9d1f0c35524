"""One pass over one deployment: desired, observed, plan, steps, status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from spin.errors import Failed, SpinError, Unavailable
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey
from spin.model.observed import Snapshot
from spin.model.revision import Deployment, Goal, Revision
from spin.model.status import DeploymentStatus, State
from spin.model.steps import EngineStep, RouteTo, Step, Unroute
from spin.plan import Desired, desire, plan, roll_up, status, text
from spin.plan import routes as routing
from spin.ports.edge import Edge
from spin.ports.engine import Engine
from spin.ports.store import Store
from spin.reconcile.routes import RouteWriter, Table
from spin.site import Site

log = structlog.get_logger("spin.reconcile")


@dataclass(frozen=True, slots=True)
class World:
    """What a pass works with."""

    site: Site
    store: Store
    engines: Mapping[str, Engine]
    edge: Edge
    clock: Clock
    saved: Callable[[DeploymentKey], None]
    """Called after a status was stored, for those who wait for it."""


class Pass:
    """Brings one deployment one step nearer to what is wanted."""

    def __init__(self, world: World, writer: RouteWriter) -> None:
        self._world = world
        self._writer = writer

    async def run(self, key: DeploymentKey, *, retrying: bool = False) -> timedelta | None:
        """Do one pass; returns when to look again (zero: at once), None for "when something happens".

        `retrying`: the last pass failed, and its status stays until this one has got further.
        Raises Unavailable when the engine or the edge does not answer, Failed when a step could not be done; both are to be
        tried again later.
        """
        loaded = await self._load(key)
        if loaded is None:
            return None
        deployment, revision = loaded
        desired = desire(deployment, revision)
        engine = self._engine(key)
        try:
            snapshot, table = await asyncio.gather(engine.observe(key), self._world.edge.table())
        except Unavailable as error:
            await self._cannot_see(key, deployment, error)
            raise
        snapshot = routing.mark_routed(key, desired, snapshot, table, self._world.site.domain)
        now = self._world.clock.now()
        todo = plan(desired, snapshot, now)
        seen = status(desired, snapshot, now)
        if not (retrying and todo.steps):
            await self._record(key, seen)
        if not todo.steps:
            await self._tidy_routes(key, desired, snapshot, table)
            if deployment.goal is Goal.REMOVED and _gone(snapshot):
                await self._forget(key)
                return None
            return todo.wake_after
        failures = await self._execute(key, engine, desired, snapshot, todo.steps)
        if failures:
            await self._report(key, seen, failures)
            raise Failed("; ".join(dict.fromkeys(message for _, message in failures)))
        return timedelta(0)

    def _engine(self, key: DeploymentKey) -> Engine:
        environment = self._world.site.environment(key.environment)
        if environment is None:
            raise Failed(f"The environment {key.environment!r} of {key} is no longer in the site file.")
        return self._world.engines[environment.engine]

    async def _load(self, key: DeploymentKey) -> tuple[Deployment, Revision] | None:
        async with self._world.store.begin() as work:
            deployment = await work.deployment(key)
            if deployment is None:
                return None
            revision = await work.revision(key, deployment.revision)
        if revision is None:
            raise Failed(f"Revision {deployment.revision} of {key} is missing in the store.")
        return deployment, revision

    async def _execute(
        self, key: DeploymentKey, engine: Engine, desired: Desired, snapshot: Snapshot, steps: tuple[Step, ...]
    ) -> list[tuple[str | None, str]]:
        """Do all steps at once (a plan's steps are safe in any order); returns (service, reason) for those that failed."""
        edge_steps = tuple(s for s in steps if isinstance(s, RouteTo | Unroute))
        engine_steps: list[EngineStep] = [s for s in steps if not isinstance(s, RouteTo | Unroute)]
        work = [engine.execute(key, step) for step in engine_steps]
        causes: list[Step] = list(engine_steps)
        if edge_steps:
            domain = self._world.site.domain
            work.append(self._writer.change(lambda table: routing.apply(key, desired, snapshot, table, edge_steps, domain)))
            causes.append(edge_steps[0])
        for step in steps:
            log.debug("step", deployment=str(key), step=text(step))
        results = await asyncio.gather(*work, return_exceptions=True)
        failures: list[tuple[str | None, str]] = []
        for step, result in zip(causes, results, strict=True):
            if isinstance(result, Unavailable):
                raise result
            if isinstance(result, SpinError):
                log.warning("step failed", deployment=str(key), step=text(step), reason=result.message)
                failures.append((_service_of(step, snapshot), result.message))
            elif isinstance(result, BaseException):
                raise result
        return failures

    async def _tidy_routes(self, key: DeploymentKey, desired: Desired, snapshot: Snapshot, table: Table) -> None:
        """Without steps the table should be right; drop what is left of containers and names that are gone."""
        domain = self._world.site.domain
        if routing.apply(key, desired, snapshot, table, (), domain) != table:
            await self._writer.change(lambda now: routing.apply(key, desired, snapshot, now, (), domain))

    async def _record(self, key: DeploymentKey, new: DeploymentStatus) -> None:
        async with self._world.store.begin() as work:
            old = await work.status(key)
        if old is not None and replace(old, observed=new.observed) == new:
            return
        async with self._world.store.begin(write=True) as work:
            if await work.deployment(key) is None:
                return
            await work.save_status(key, new)
        self._world.saved(key)

    async def _report(self, key: DeploymentKey, seen: DeploymentStatus, failures: list[tuple[str | None, str]]) -> None:
        """Say in the status why a step failed; a service whose step failed is `failed` until a later pass gets further."""
        reasons = dict(reversed(failures))
        services = tuple(
            replace(s, state=State.FAILED, detail=reasons[s.service]) if s.service in reasons else s for s in seen.services
        )
        state, detail = roll_up(services)
        if seen.state is State.REMOVING or not reasons.keys() & {s.service for s in services}:
            state = seen.state if seen.state is State.REMOVING else State.FAILED
            detail = "; ".join(dict.fromkeys(message for _, message in failures))
        await self._record(key, replace(seen, state=state, services=services, detail=detail))

    async def _cannot_see(self, key: DeploymentKey, deployment: Deployment, error: Unavailable) -> None:
        """Unknown is not dead: keep the last status, and say that it is old."""
        async with self._world.store.begin() as work:
            old = await work.status(key)
        if old is not None and old.generation == deployment.generation:
            await self._record(key, replace(old, detail=error.message))

    async def _forget(self, key: DeploymentKey) -> None:
        async with self._world.store.begin(write=True) as work:
            current = await work.deployment(key)
            if current is not None and current.goal is Goal.REMOVED:
                await work.delete_deployment(key)
        self._world.saved(key)
        log.info("removed", deployment=str(key))


def _gone(snapshot: Snapshot) -> bool:
    return not (snapshot.instances or snapshot.networks or snapshot.files)


def _service_of(step: Step, snapshot: Snapshot) -> str | None:
    """The service that a step is about, if it is about one."""
    service = getattr(step, "service", None) or getattr(getattr(step, "spec", None), "name", None)
    instance = getattr(step, "id", None)
    if service is None and instance is not None:
        service = next((i.service for i in snapshot.instances if i.id == instance), None)
    return service
