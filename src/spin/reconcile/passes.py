"""One pass over one deployment: desired, observed, verdict on its upgrade, plan, steps, status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from spin.errors import Conflict, Failed, SpinError, Unavailable
from spin.kit.clock import Clock
from spin.model.event import PLATFORM, Event
from spin.model.log import Span
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Snapshot, Tables
from spin.model.revision import Deployment, Goal, Origin, Revision
from spin.model.run import JobBook
from spin.model.status import DeploymentStatus, Progress, State
from spin.model.steps import EngineStep, Remove, RouteTo, Step, Unroute
from spin.plan import Desired, Plan, desire, gate, happenings, jobs, plan, progress_of, remember, roll_up, status, text, upgrades
from spin.plan import routes as routing
from spin.ports.addresses import Addresses
from spin.ports.edge import Edge
from spin.ports.engine import Engine
from spin.ports.logs import LogArchive
from spin.ports.store import Store
from spin.site import Environment, Site

log = structlog.get_logger("spin.reconcile")

LAST_LINES = 10
"""Lines of a failing container's log that are kept with the reason."""
LOOK_SECONDS = 120.0
"""A look that takes longer is given up, and tried again later."""
AUTHOR = PLATFORM
"""Who has made a revision that nobody asked for."""


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
    addresses: Addresses | None = None
    """None: services have no stable addresses here."""
    archive: LogArchive | None = None
    """Where logs are kept of containers that are about to be removed; None: nowhere."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the store says of a deployment."""

    deployment: Deployment
    revision: Revision
    base: Revision | None
    status: DeploymentStatus | None
    book: JobBook


@dataclass(frozen=True, slots=True)
class _Scene:
    """What one pass goes by."""

    key: DeploymentKey
    environment: Environment
    engine: Engine
    loaded: _Loaded
    desired: Desired
    snapshot: Snapshot
    tables: Tables
    seen: DeploymentStatus
    now: datetime


class Pass:
    """Brings one deployment one step nearer to what is wanted."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, key: DeploymentKey, *, retrying: bool = False) -> timedelta | None:
        """Do one pass; returns when to look again (zero: at once), None for "when something happens".

        `retrying`: the last pass failed, and what its status says stays until this one has got further.
        Raises Unavailable when the engine or a table does not answer, Failed when a step could not be done; both are to be tried
        again later.
        """
        loaded = await self._load(key)
        if loaded is None:
            return None
        try:
            scene = await self._look(key, loaded)
        except Unavailable as error:
            await self._cannot_see(key, loaded, error)
            raise
        scene, decided = await self._decide(scene)
        if decided or await self._advance(scene):
            return timedelta(0)
        todo = plan(scene.desired, scene.snapshot, scene.now)
        await self._record(scene, _still(scene.seen, loaded.status) if retrying and todo.steps else scene.seen)
        if not todo.steps:
            await self._lead(scene, ())
            if loaded.deployment.goal is Goal.REMOVED and _gone(scene.snapshot):
                await self._forget(key)
                return None
            return self._wake(scene, todo)
        failures, done = await self._execute(scene, todo.steps)
        await self._note(happenings.done(key, scene.loaded.revision.number, done, self._world.clock.now()))
        if failures:
            await self._report(scene, failures)
            raise Failed("; ".join(dict.fromkeys(message for _, message in failures)))
        return timedelta(0)

    # What is wanted and what is there.

    async def _load(self, key: DeploymentKey) -> _Loaded | None:
        async with self._world.store.begin() as work:
            deployment = await work.deployment(key)
            if deployment is None:
                return None
            revision = await work.revision(key, deployment.revision)
            base = None if deployment.upgrade is None else await work.revision(key, deployment.upgrade.base)
            before = await work.status(key)
            book = await work.job_book(key)
        if revision is None:
            raise Failed(f"Revision {deployment.revision} of {key} is missing in the store.")
        return _Loaded(deployment, revision, base, before, book)

    async def _look(self, key: DeploymentKey, loaded: _Loaded) -> _Scene:
        environment = self._world.site.environment(key.environment)
        if environment is None:
            raise Failed(f"The environment {key.environment!r} of {key} is no longer in the site file.")
        engine = self._world.engines[environment.engine]
        addresses = self._world.addresses if engine.capabilities.service_addresses else None
        stored = loaded.status
        progress = progress_of(loaded.deployment, None if stored is None else stored.progress)
        failure = None if progress is None else progress.failure
        desired = desire(
            loaded.deployment, loaded.revision, loaded.base, failure, addresses=addresses is not None, book=loaded.book
        )
        draining = () if stored is None else [InstanceId(i.id) for i in stored.instances if i.draining_since is not None]
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                snapshot, routes = await asyncio.gather(engine.observe(key, draining), self._world.edge.routes(str(key)))
                tables = Tables(routes, () if addresses is None else await addresses.entries(str(key)))
        except TimeoutError:
            raise Unavailable(f"The engine or the edge has not answered within {LOOK_SECONDS:g} s.") from None
        now = self._world.clock.now()
        snapshot = remember(routing.mark_routed(key, desired, snapshot, tables, self._world.site), stored, now)
        seen = replace(status(desired, snapshot, now), progress=progress, worked=0 if stored is None else stored.worked)
        return _Scene(key, environment, engine, loaded, desired, snapshot, tables, seen, now)

    # What becomes of the runs of jobs.

    async def _advance(self, scene: _Scene) -> bool:
        """Write down what is due and what has ended; whether anything was, and all begins anew."""
        known = () if scene.loaded.status is None else scene.loaded.status.services
        reasons = {s.service: s.detail for s in known if s.state is State.FAILED}
        found = jobs.advance(scene.desired, scene.snapshot, scene.now, reasons)
        if not found:
            return False
        try:
            async with self._world.store.begin(write=True) as work:
                await work.save_jobs(scene.key, found.jobs, found.runs)
                await work.add_events(happenings.of_runs(scene.key, scene.loaded.book.runs, found.runs, scene.now))
        except Conflict:
            log.info("overtaken", deployment=str(scene.key))
        self._world.saved(scene.key)
        return True

    # What the controller decides by itself about an upgrade.

    async def _decide(self, scene: _Scene) -> tuple[_Scene, bool]:
        """The scene with what was noticed of the upgrade; True where the deployment was written, so that all begins anew."""
        seen, deployment = scene.seen, scene.loaded.deployment
        worked = deployment.revision if seen.state in _WORKS or _is_way_back(scene.loaded) else seen.worked
        scene = replace(scene, seen=replace(seen, worked=worked))
        progress = seen.progress
        if progress is None or progress.failure is not None:
            return scene, False
        if progress.complete is None and gate.is_complete(scene.desired, seen):
            progress = replace(progress, complete=scene.now)
            scene = replace(scene, seen=replace(scene.seen, progress=progress))
        if progress.complete is not None:
            due = self._confirm_at(scene, progress.complete)
            if due is not None and due <= scene.now:
                return scene, await self._confirm(scene)
            return scene, False
        verdict = gate.judge(
            scene.desired,
            scene.snapshot,
            seen,
            scene.now,
            roll_back=scene.environment.rollback_on_failure,
            patience=self._patience,
        )
        return (scene, False) if verdict is None else await self._fail(scene, progress, verdict)

    @property
    def _patience(self) -> timedelta:
        return timedelta(seconds=self._world.site.limits.progress_seconds)

    def _confirm_at(self, scene: _Scene, complete: datetime) -> datetime | None:
        own = scene.loaded.revision.spec.confirm_after_ms
        after = timedelta(milliseconds=own) if own is not None else timedelta(seconds=self._world.site.confirm_after)
        return complete + after if after and scene.seen.state is State.UPGRADED else None

    async def _confirm(self, scene: _Scene) -> bool:
        log.info("confirmed by itself", deployment=str(scene.key), revision=scene.loaded.deployment.revision)
        return await self._write(scene, upgrades.confirm(scene.loaded.deployment, scene.now), None)

    async def _fail(self, scene: _Scene, progress: Progress, verdict: gate.Verdict) -> tuple[_Scene, bool]:
        failure = replace(verdict.failure, log=await self._last_lines(scene, verdict))
        log.warning("upgrade failed", deployment=str(scene.key), reason=failure.reason, rolled_back=verdict.roll_back)
        loaded = scene.loaded
        if verdict.roll_back and loaded.base is not None:
            note = f"Revision {loaded.revision.number} failed: {failure.reason}"
            note = "\n".join((note, *failure.log))
            rolled = upgrades.roll_back(loaded.deployment, loaded.revision, loaded.base, author=AUTHOR, note=note, now=scene.now)
            return scene, await self._write(scene, *rolled)
        # What is wanted of the services has changed with this verdict, so the rest of the pass begins anew.
        await self._record(scene, replace(scene.seen, progress=replace(progress, failure=failure)))
        return scene, True

    async def _last_lines(self, scene: _Scene, verdict: gate.Verdict) -> tuple[str, ...]:
        culprit = verdict.culprit
        if culprit is None:
            return ()
        span = Span(tail=LAST_LINES)
        try:
            found = [line async for lines in scene.engine.log(scene.key, culprit.id, span) for line in lines]
            return tuple(text.decode(errors="replace").removesuffix("\r")[:500] for _, _, text in found[-LAST_LINES:])
        except SpinError as error:
            return (f"(its log cannot be read: {error.message})",)

    async def _write(self, scene: _Scene, deployment: Deployment, revision: Revision | None) -> bool:
        """Store what was decided, unless a person was faster: then the next pass goes by what they want."""
        try:
            async with self._world.store.begin(write=True) as work:
                await work.save_deployment(deployment)
                if revision is not None:
                    await work.add_revision(scene.key, revision)
                await work.add_events([happenings.decided(scene.key, revision, deployment.revision, scene.now)])
        except Conflict:
            log.info("overtaken", deployment=str(scene.key))
        self._world.saved(scene.key)
        return True

    def _wake(self, scene: _Scene, todo: Plan) -> timedelta | None:
        """When something is due though nothing happens: a back-off, a deadline, a confirmation."""
        pauses = [] if todo.wake_after is None else [todo.wake_after]
        progress = scene.seen.progress
        if progress is not None and progress.failure is None:
            due = None if progress.complete is None else self._confirm_at(scene, progress.complete)
            if progress.complete is None and scene.desired.upgrade is not None:
                due = gate.stalled_at(scene.desired.upgrade, scene.desired, scene.snapshot, self._patience)
            if due is not None:
                pauses.append(max(timedelta(milliseconds=100), due - scene.now))
        return min(pauses, default=None)

    # Steps.

    async def _execute(
        self, scene: _Scene, steps: tuple[Step, ...]
    ) -> tuple[list[tuple[str | None, str]], list[tuple[Step, str | None]]]:
        """Do all steps at once (a plan's steps are safe in any order).

        Returns (service, reason) for those that failed, and (step, service) for those that were done.
        """
        led = tuple(s for s in steps if isinstance(s, RouteTo | Unroute))
        engine_steps: list[EngineStep] = [s for s in steps if not isinstance(s, RouteTo | Unroute)]
        work: list[Coroutine[Any, Any, None]] = [self._do(scene, step) for step in engine_steps]
        causes: list[Step] = list(engine_steps)
        if led:
            work.append(self._lead(scene, led))
            causes.append(led[0])
        for step in steps:
            log.debug("step", deployment=str(scene.key), step=text(step))
        results = await asyncio.gather(*work, return_exceptions=True)
        failures: list[tuple[str | None, str]] = []
        done: list[tuple[Step, str | None]] = []
        for step, result in zip(causes, results, strict=True):
            if isinstance(result, Unavailable):
                raise result
            if isinstance(result, SpinError):
                log.warning("step failed", deployment=str(scene.key), step=text(step), reason=result.message)
                failures.append((_service_of(step, scene.snapshot), result.message))
            elif isinstance(result, BaseException):
                raise result
            else:
                carried_out = led if led and step is led[0] else (step,)
                done += [(each, _service_of(each, scene.snapshot)) for each in carried_out]
        return failures, done

    async def _do(self, scene: _Scene, step: EngineStep) -> None:
        """A container's log is kept before it goes. Who is killed in between saves it once more; a full disk holds nothing up."""
        archive = self._world.archive
        if archive is not None and isinstance(step, Remove):
            try:
                source = next((s for s in await scene.engine.log_sources(scene.key) if s.id == step.id), None)
                if source is not None:
                    await archive.save(scene.key, source, scene.engine.log(scene.key, step.id, Span()))
            except Failed as error:
                log.warning("a log is lost", deployment=str(scene.key), container=step.name, reason=error.message)
        await scene.engine.execute(scene.key, step)

    async def _lead(self, scene: _Scene, steps: tuple[Step, ...]) -> None:
        """Bring the tables to what they should be after `steps`; what is left of containers and names that are gone goes too."""
        owner = str(scene.key)
        wanted = routing.lead(scene.key, scene.desired, scene.snapshot, scene.tables, steps, self._world.site)
        if wanted.routes != scene.tables.routes:
            await self._world.edge.set_routes(owner, wanted.routes)
        if self._world.addresses is not None and wanted.addresses != scene.tables.addresses:
            await self._world.addresses.set_entries(owner, wanted.addresses)

    # Status.

    async def _record(self, scene: _Scene, new: DeploymentStatus, failures: Sequence[tuple[str | None, str]] = ()) -> None:
        """Store the status, with the events that led to it, unless it says what is stored already."""
        old = scene.loaded.status
        if old is not None and replace(old, observed=new.observed) == new:
            return
        number = scene.loaded.revision.number
        failed = happenings.failed(scene.key, number, failures, new.observed)
        async with self._world.store.begin(write=True) as work:
            if await work.deployment(scene.key) is None:
                return
            # What is stored may be newer than what this pass began with: it has stored one itself, before its steps.
            stored = await work.status(scene.key)
            await work.save_status(scene.key, new)
            await work.add_events([*failed, *happenings.happenings(scene.key, number, stored, new)])
        self._world.saved(scene.key)

    async def _note(self, events: tuple[Event, ...]) -> None:
        if events:
            async with self._world.store.begin(write=True) as work:
                await work.add_events(events)

    async def _report(self, scene: _Scene, failures: list[tuple[str | None, str]]) -> None:
        """Say in the status why a step failed; a service whose step failed is `failed` until a later pass gets further."""
        seen = scene.seen
        reasons = dict(reversed(failures))
        services = tuple(
            replace(s, state=State.FAILED, detail=reasons[s.service]) if s.service in reasons else s for s in seen.services
        )
        state, detail = roll_up(services)
        if seen.state is State.REMOVING or not reasons.keys() & {s.service for s in services}:
            state = seen.state if seen.state is State.REMOVING else State.FAILED
            detail = "; ".join(dict.fromkeys(message for _, message in failures))
        await self._record(scene, replace(seen, state=state, services=services, detail=detail), failures)

    async def _cannot_see(self, key: DeploymentKey, loaded: _Loaded, error: Unavailable) -> None:
        """Unknown is not dead: keep the last status, and say that it is old."""
        old = loaded.status
        if old is None or old.generation != loaded.deployment.generation or old.detail == error.message:
            return
        async with self._world.store.begin(write=True) as work:
            await work.save_status(key, replace(old, detail=error.message))
        self._world.saved(key)

    async def _forget(self, key: DeploymentKey) -> None:
        async with self._world.store.begin(write=True) as work:
            current = await work.deployment(key)
            if current is not None and current.goal is Goal.REMOVED:
                await work.delete_deployment(key)
        self._world.saved(key)
        log.info("removed", deployment=str(key))


_WORKS = frozenset({State.HEALTHY, State.COMPLETED, State.UPGRADED})


def _is_way_back(loaded: _Loaded) -> bool:
    """The revision is the content of one that worked: an upgrade was rolled back to it."""
    before = 0 if loaded.status is None else loaded.status.worked
    return loaded.revision.origin is Origin.ROLLBACK and loaded.deployment.upgrade is None and before > 0


def _still(seen: DeploymentStatus, before: DeploymentStatus | None) -> DeploymentStatus:
    """What is there now, in the words of before: a step is being tried again, and its failure is still the news."""
    if before is None or before.generation != seen.generation:
        return seen
    return replace(seen, state=before.state, services=before.services, detail=before.detail)


def _gone(snapshot: Snapshot) -> bool:
    return not (snapshot.instances or snapshot.networks or snapshot.files)


def _service_of(step: Step, snapshot: Snapshot) -> str | None:
    """The service that a step is about, if it is about one."""
    service = getattr(step, "service", None) or getattr(getattr(step, "spec", None), "name", None)
    instance = getattr(step, "id", None)
    if service is None and instance is not None:
        service = next((i.service for i in snapshot.instances if i.id == instance), None)
    return service
