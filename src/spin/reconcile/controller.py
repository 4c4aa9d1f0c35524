"""Workers, timers and hints around the queue."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from spin.errors import EngineUnavailable, SpinError
from spin.model.names import DeploymentKey
from spin.ports.engine import Engine
from spin.reconcile.passes import Pass, World
from spin.reconcile.queue import WorkQueue
from spin.reconcile.routes import RouteWriter

log = structlog.get_logger("spin.reconcile")

WORKERS = 8
RESYNC = timedelta(seconds=60)
"""How often every deployment gets a look without a reason: events may be lost."""
RECONNECT = timedelta(seconds=2)
"""How often an engine that is gone is asked whether it is back."""


class Controller:
    """Keeps every deployment as it should be, for as long as `run` runs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: WorkQueue[DeploymentKey] = WorkQueue()
        self._pass = Pass(world, RouteWriter(world.edge))

    def wake(self, key: DeploymentKey) -> None:
        """Look at this deployment now."""
        self._queue.add(key)

    async def wake_all(self) -> None:
        """Look at every deployment now, also at those that wait after a failure: something that was missing is back."""
        async with self._world.store.begin() as work:
            keys = [d.key for d in await work.deployments()]
        for key in keys:
            self._queue.add(key)
        self._queue.forgive()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work())
            tasks.create_task(self._resync())
            for engine in set(self._world.engines.values()):
                tasks.create_task(self._listen(engine))

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                again = await self._pass.run(key, retrying=self._queue.failures(key) > 0)
            except SpinError as error:
                wait = self._queue.failed(key)
                log.info("try again", deployment=str(key), after=wait.total_seconds(), reason=error.message)
            except Exception as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from error  # a library turned our end into an error of its own
                # A bug in one deployment's pass must not stop the others; it is logged whole and tried again.
                wait = self._queue.failed(key)
                log.exception("pass failed", deployment=str(key), after=wait.total_seconds())
            else:
                self._queue.done(key, again)

    async def _resync(self) -> None:
        while True:
            await self.wake_all()
            await asyncio.sleep(RESYNC.total_seconds())

    async def _listen(self, engine: Engine) -> None:
        """Follow the engine's hints; when it went away and came back, look at everything."""
        while True:
            if (await engine.health()).reachable:
                await self.wake_all()
                try:
                    async for key in engine.hints():
                        self._queue.add(key)
                except EngineUnavailable as error:
                    log.warning("engine gone", kind=engine.capabilities.kind, reason=error.message)
            await asyncio.sleep(RECONNECT.total_seconds())
