"""A platform process that may die at any point at which it touches the world: its engine, its tables, its store.

A dead process does nothing any more: from the fatal point on, every further touch fails too, until another process is born. Steps of
one plan are done in a random order, so that a death leaves a random part of them done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from spin.addresses.simulated import SimulatedAddresses
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import SimulatedEngine
from spin.model.log import Line, LogSource, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Route, ServiceAddress, Snapshot
from spin.model.steps import EngineStep
from spin.ports.engine import Capabilities
from spin.ports.logs import LogArchive
from spin.ports.store import UnitOfWork
from spin.store import SqlStore

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no clean-up either."""


@dataclass
class Reaper:
    """Counts the points, and kills at those in `fatal`."""

    chance: random.Random
    fatal: frozenset[int] = frozenset()
    passed: int = 0
    kills: int = 0
    dead: bool = field(default=False, init=False)

    def watch(self, fatal: Collection[int]) -> None:
        """Count from the beginning, with other fatal points."""
        self.fatal, self.passed = frozenset(fatal), 0

    def point(self) -> None:
        """Between two things that a process does to the world."""
        if self.dead:
            raise Killed
        self.passed += 1
        if self.passed in self.fatal:
            self.dead = True
            self.kills += 1
            raise Killed

    def bear(self) -> None:
        """Another process is there."""
        self.dead = False

    async def around(self, deed: Callable[[], Awaitable[T]]) -> T:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        self.point()
        result = await deed()
        self.point()
        return result


@dataclass
class MortalEngine:
    engine: SimulatedEngine
    reaper: Reaper

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:
        return await self.engine.observe(key, draining)

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        await self.reaper.around(lambda: self.engine.execute(key, step))

    async def log_sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        return await self.engine.log_sources(key)

    def log(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        return self.engine.log(key, id, span)


@dataclass
class MortalEdge:
    edge: SimulatedEdge
    reaper: Reaper

    async def routes(self, owner: str) -> tuple[Route, ...]:
        return await self.edge.routes(owner)

    async def set_routes(self, owner: str, routes: tuple[Route, ...]) -> None:
        await self.reaper.around(lambda: self.edge.set_routes(owner, routes))


@dataclass
class MortalAddresses:
    addresses: SimulatedAddresses
    reaper: Reaper

    async def entries(self, owner: str) -> tuple[ServiceAddress, ...]:
        return await self.addresses.entries(owner)

    async def set_entries(self, owner: str, entries: tuple[ServiceAddress, ...]) -> None:
        await self.reaper.around(lambda: self.addresses.set_entries(owner, entries))


@dataclass
class MortalArchive:
    """The process may die before a log is kept, after each of its lines, and when all of it is there."""

    archive: LogArchive
    reaper: Reaper

    async def save(self, key: DeploymentKey, source: LogSource, lines: AsyncIterator[Sequence[Line]]) -> None:
        await self.reaper.around(lambda: self.archive.save(key, source, self._one_by_one(lines)))

    async def _one_by_one(self, lines: AsyncIterator[Sequence[Line]]) -> AsyncIterator[Sequence[Line]]:
        async for batch in lines:
            for line in batch:
                self.reaper.point()
                yield [line]
        self.reaper.point()

    async def sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        return await self.archive.sources(key)

    def read(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        return self.archive.read(key, id, span)

    async def prune(self, now: datetime) -> int:
        return await self.archive.prune(now)


@dataclass
class MortalStore:
    """The real store; the process may die before a transaction that writes, before its commit, and after it."""

    store: SqlStore
    reaper: Reaper

    @asynccontextmanager
    async def begin(self, *, write: bool = False) -> AsyncIterator[UnitOfWork]:
        if not write:
            async with self.store.begin() as work:
                yield work
            return
        self.reaper.point()
        async with self.store.begin(write=True) as work:
            yield work
            self.reaper.point()
        self.reaper.point()
