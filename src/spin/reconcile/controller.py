"""Workers, timers and hints around the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge, Histogram

from spin.errors import SpinError, Unavailable
from spin.model.names import DeploymentKey
from spin.model.observed import Route
from spin.ports.engine import Engine
from spin.reconcile.passes import Pass, World
from spin.reconcile.queue import WorkQueue
from spin.reconcile.rounds import Glance, Rounds

log = structlog.get_logger("spin.reconcile")

PASSES = Counter("spin_reconcile_passes", "Passes over deployments, by how they ended.", ("end",))
SECONDS = Histogram(
    "spin_reconcile_pass_seconds", "How long a pass has taken.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600)
)
BUSY = Gauge("spin_reconcile_passes_under_way", "Passes under way.")

WORKERS = 8
PATIENCE = timedelta(seconds=10)
"""For so long a worker stays with one pass. Then it turns to the next, and the pass goes on beside: it pulls an image, or waits for
containers to stop. So a few stacks that take long, or an engine that hangs, do not keep the others waiting."""
DEADLINE = timedelta(hours=6)
"""A pass that takes longer is ended and tried again. Each call in it has a nearer deadline of its own, except for what shows
progress, as pulling a large image does; this is for a call that never returns because of a mistake."""
RESYNC = timedelta(seconds=60)
"""How often there is a round over all deployments without a reason: events may be lost."""
GLANCE = timedelta(seconds=30)
"""How long an engine or the edge may take to tell of everything in short."""
RECONNECT = timedelta(seconds=0.5)
"""How often an engine that is gone is asked whether it is back."""


class Controller:
    """Keeps every deployment as it should be, for as long as `run` runs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: WorkQueue[DeploymentKey] = WorkQueue()
        self._pass = Pass(world)
        self._rounds = Rounds()
        self._running: dict[DeploymentKey, _Running] = {}

    def wake(self, key: DeploymentKey) -> None:
        """Look at this deployment now: somebody wants something else of it.

        A pass that is under way works for what was wanted before. If it takes long it is cut short; that is like a crash, of which
        nothing is lost. So whoever waits for a slow image may change their mind.
        """
        self._queue.add(key)
        running = self._running.get(key)
        if running is not None:
            running.cut_short()

    async def wake_all(self) -> None:
        """Look at every deployment now, also at those that wait after a failure: something that was missing is back."""
        await self._wake_all(lambda _: True)

    @property
    def is_busy(self) -> bool:
        """A pass is under way, or due."""
        return self._queue.is_busy

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work(tasks))
            tasks.create_task(self._go_round())
            for engine in set(self._world.engines.values()):
                tasks.create_task(self._listen(engine))

    # Passes.

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            key = await self._queue.take()
            await asyncio.wait({tasks.create_task(self._look(key))}, timeout=PATIENCE.total_seconds())

    async def _look(self, key: DeploymentKey) -> None:
        """One pass over a key that was taken, and then give it back."""
        running = _Running()
        BUSY.inc()
        try:
            async with running.limit:
                self._running[key] = running
                try:
                    again = await self._pass.run(key, retrying=self._queue.failures(key) > 0)
                finally:
                    del self._running[key]
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error  # a library turned our end into an error of its own
            self._rounds.passed(key, running.began, quiet=False)
            if running.is_cut_short and running.limit.expired():
                log.info("cut short", deployment=str(key))
                PASSES.labels("cut short").inc()
                self._queue.done(key, timedelta(0))
            else:
                self._failed(key, error, late=running.limit.expired())
        else:
            self._rounds.passed(key, running.began, quiet=again != timedelta(0))
            self._queue.done(key, again)
            PASSES.labels("done").inc()
        finally:
            BUSY.dec()
            SECONDS.observe(asyncio.get_running_loop().time() - running.began)

    def _failed(self, key: DeploymentKey, error: Exception, *, late: bool) -> None:
        wait = self._queue.failed(key)
        PASSES.labels("failed" if isinstance(error, SpinError) else "late" if late else "bug").inc()
        if isinstance(error, SpinError):
            log.info("try again", deployment=str(key), after=wait.total_seconds(), reason=error.message)
        elif late:
            log.error("pass took too long", deployment=str(key), after=wait.total_seconds(), limit=DEADLINE.total_seconds())
        else:
            # A bug in one deployment's pass must not stop the others; it is logged whole and tried again.
            log.error("pass failed", deployment=str(key), after=wait.total_seconds(), exc_info=error)

    # Reasons for a look.

    async def _go_round(self) -> None:
        while True:
            try:
                await self.resync()
            except SpinError as error:
                log.warning("no round over the deployments", reason=error.message)
            await asyncio.sleep(RESYNC.total_seconds())

    async def resync(self) -> None:
        """Look at those deployments that have changed without anybody telling, and at some that nobody has looked at for long."""
        glances = await self._glances()
        for key in self._rounds.needed(glances, asyncio.get_running_loop().time()):
            if not self._queue.failures(key):  # else it is tried again soon
                self._queue.add(key, patient=True)

    async def _glances(self) -> dict[DeploymentKey, Glance]:
        engines = list(set(self._world.engines.values()))
        table = await self._routes()
        overviews = dict(zip(engines, await asyncio.gather(*(self._overview(engine) for engine in engines)), strict=True))
        async with self._world.store.begin() as work:
            generations = await work.generations()
        found: dict[DeploymentKey, Glance] = {}
        for key, generation in generations.items():
            engine = self._engine(key)
            overview = None if engine is None else overviews[engine]
            found[key] = Glance(
                generation,
                None if overview is None else overview.get(key, ""),
                None if table is None else table.get(str(key), ()),
            )
        return found

    async def _overview(self, engine: Engine) -> Mapping[DeploymentKey, str] | None:
        try:
            async with asyncio.timeout(GLANCE.total_seconds()):
                return await engine.overview()
        except (Unavailable, TimeoutError):
            return None

    async def _routes(self) -> Mapping[str, tuple[Route, ...]] | None:
        """The edge's table by owner."""
        try:
            async with asyncio.timeout(GLANCE.total_seconds()):
                table = await self._world.edge.table()
        except (Unavailable, TimeoutError):
            return None
        found: dict[str, list[Route]] = {}
        for route in table:
            found.setdefault(route.owner, []).append(route)
        return {owner: tuple(routes) for owner, routes in found.items()}

    async def _listen(self, engine: Engine) -> None:
        """Follow the engine's hints; when it went away and came back, look at everything on it."""
        while True:
            if (await engine.health()).reachable:
                try:
                    await self._wake_all(lambda key: self._engine(key) is engine)
                    async for key in engine.hints():
                        self._queue.add(key)
                except SpinError as error:
                    log.warning("hints ended", kind=engine.capabilities.kind, reason=error.message)
            await asyncio.sleep(RECONNECT.total_seconds())

    async def _wake_all(self, which: Callable[[DeploymentKey], bool]) -> None:
        async with self._world.store.begin() as work:
            keys = [key for key in await work.generations() if which(key)]
        self._queue.forgive(keys)

    def _engine(self, key: DeploymentKey) -> Engine | None:
        """None where the key's environment is no longer in the site file."""
        environment = self._world.site.environment(key.environment)
        return None if environment is None else self._world.engines[environment.engine]


class _Running:
    """A pass that is under way."""

    def __init__(self) -> None:
        self.began = asyncio.get_running_loop().time()
        self.limit = asyncio.timeout_at(self.began + DEADLINE.total_seconds())
        self.is_cut_short = False

    def cut_short(self) -> None:
        """Let it have PATIENCE from its beginning, no more."""
        if not self.limit.expired():
            self.is_cut_short = True
            self.limit.reschedule(max(asyncio.get_running_loop().time(), self.began + PATIENCE.total_seconds()))
