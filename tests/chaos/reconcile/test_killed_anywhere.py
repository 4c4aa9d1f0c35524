"""The controller is killed at every single point at which it touches the world, and the next one goes on to the same end.

The points are counted: before and after each step on the engine, each change of the edge's table, and each write of a status. The whole
story (up, upgrade, scale, stop, start, copy, removal) is played again with the death at a point. A usual run takes every
eighth point; SPIN_KILL_EVERY=1 takes them all (some minutes).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import SimulatedEngine
from spin.model.names import DeploymentKey
from spin.model.observed import Phase, Route, Snapshot
from spin.model.steps import EngineStep
from spin.ports.engine import Capabilities
from spin.ports.store import UnitOfWork
from spin.reconcile.passes import Pass, World
from spin.reconcile.routes import RouteWriter
from spin.store import SqlStore
from support.api import World as Api
from support.api import key_of, new_world, path, web

MOST_PASSES = 400
EVERY = int(os.environ.get("SPIN_KILL_EVERY", "8"))
SHARDS = 2


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no clean-up either."""


@dataclass
class Reaper:
    """Counts the points; at number `at` the controller dies, once."""

    at: int = 0
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Killed

    async def around(self, deed: Awaitable[Any]) -> Any:
        try:
            self.point()
        except Killed:
            deed.close()  # type: ignore[attr-defined]
            raise
        result = await deed
        self.point()
        return result


@dataclass
class MortalEngine:
    """The simulated engine, as a controller sees it that may die at any step."""

    engine: SimulatedEngine
    reaper: Reaper
    capabilities: Capabilities

    async def observe(self, key: DeploymentKey) -> Snapshot:
        return await self.engine.observe(key)

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        await self.reaper.around(self.engine.execute(key, step))


@dataclass
class MortalEdge:
    edge: SimulatedEdge
    reaper: Reaper

    async def table(self) -> tuple[Route, ...]:
        return await self.edge.table()

    async def apply(self, routes: tuple[Route, ...]) -> None:
        await self.reaper.around(self.edge.apply(routes))


@dataclass
class MortalStore:
    """The real store; the controller may die before a transaction begins and after it was committed."""

    store: SqlStore
    reaper: Reaper

    @asynccontextmanager
    async def begin(self, *, write: bool = False) -> AsyncIterator[UnitOfWork]:
        if write:
            self.reaper.point()
        async with self.store.begin(write=write) as work:
            yield work
        if write:
            self.reaper.point()


class Story:
    """People's wishes over the API, and controllers that come one after the other."""

    def __init__(self, api: Api, edge: SimulatedEdge, reaper: Reaper) -> None:
        self.api, self.edge, self.reaper = api, edge, reaper
        self.controllers = 0
        self.passes = self._born()

    def _born(self) -> Pass:
        self.controllers += 1
        engine = MortalEngine(self.api.engine, self.reaper, self.api.engine.capabilities)
        edge, store = MortalEdge(self.edge, self.reaper), MortalStore(self.api.store, self.reaper)
        world = World(self.api.platform.site, store, {"docker": engine}, edge, self.api.clock, lambda _: None)  # type: ignore[arg-type, dict-item]
        return Pass(world, RouteWriter(edge))

    async def settle(self, key: DeploymentKey) -> None:
        """Passes until the plan is empty and nothing is awaited; a dead controller is followed by a new one."""
        idle = 0
        for _ in range(MOST_PASSES):
            try:
                wait = await self.passes.run(key)
            except Killed:
                self.passes = self._born()
                idle = 0
                continue
            if wait == timedelta(0):
                idle = 0
                continue
            idle += 1
            self.api.clock.forward(timedelta(seconds=1))
            if idle > 3 and wait is None:
                return
        raise AssertionError(f"{key} does not settle")

    async def ask(self, call: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]], key: DeploymentKey) -> None:
        answer = await call(self.api.as_("otto"))
        assert answer.is_success, answer.text
        await self.settle(key)

    async def play(self) -> list[object]:
        """The story; returns what the world looked like at the end of each chapter."""
        dev, prod = key_of("shop"), key_of("shop", environment="production")
        services = {
            "web": web(x_spin={"http": 8080}, depends_on={"db": {"condition": "service_healthy"}}, scale=2),
            "db": web(volumes=["data:/data"], secrets=["password"]),
        }
        files = {"secrets": {"password": b"s3cret"}, "top_volumes": {"data": {}}, "top_secrets": {"password": {"file": "x"}}}
        seen: list[object] = []

        async def chapter(call: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]], key: DeploymentKey = dev) -> None:
            await self.ask(call, key)
            seen.append(await self.picture())

        await self.api.up(person="otto", services=services, **files)
        await self.settle(dev)
        seen.append(await self.picture())
        services = {**services, "web": {**services["web"], "environment": {"COLOUR": "blue"}}}
        await self.api.up(person="otto", services=services, **files)
        await self.settle(dev)
        seen.append(await self.picture())
        await chapter(lambda c: c.post(f"{path('shop')}/scale", json={"replicas": {"web": 4}, "dry_run": False}))
        await chapter(lambda c: c.post(f"{path('shop')}/scale", json={"replicas": {"web": 1}, "dry_run": False}))
        await chapter(lambda c: c.post(f"{path('shop')}/stop", json={"services": []}))
        await chapter(lambda c: c.post(f"{path('shop')}/start", json={"services": []}))
        copy = {"to": "production", "secrets": {"password": "b3RoZXI="}, "dry_run": False}
        await chapter(lambda c: c.post(f"{path('shop')}/promote", json=copy), prod)
        await chapter(lambda c: c.delete(path("shop")))
        await chapter(lambda c: c.delete(f"{path('shop', environment='production')}?volumes=true"), prod)
        return seen

    async def picture(self) -> object:
        """What is there, without what may differ: ids, times, and how often something was tried."""
        found = []
        for environment in ("development", "production"):
            snapshot = await self.api.engine.observe(key_of("shop", environment=environment))
            running = sorted((i.service, i.slot, i.digest) for i in snapshot.instances if i.phase is not Phase.EXITED)
            stopped = sorted((i.service, i.slot, i.digest) for i in snapshot.instances if i.phase is Phase.EXITED)
            found.append((running, stopped, snapshot.networks, snapshot.volumes, snapshot.files))
        routes = [(r.host, len(r.targets)) for r in await self.edge.table()]
        return found, routes


async def play(folder: Path, at: int) -> tuple[list[object], Story]:
    await asyncio.to_thread(folder.mkdir)
    async with new_world(folder) as api:
        story = Story(api, SimulatedEdge(), Reaper(at))
        return await story.play(), story


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(900)
async def test_whenever_the_controller_is_killed_the_next_one_reaches_the_same_end(tmp_path: Path, shard: int) -> None:
    expected, untouched = await play(tmp_path / "untouched", 0)
    assert untouched.controllers == 1
    assert untouched.reaper.passed > 100
    assert expected[0] != expected[-1]
    for at in range(1 + shard * EVERY, untouched.reaper.passed + 1, SHARDS * EVERY):
        seen, story = await play(tmp_path / f"killed-{at}", at)
        assert story.controllers == 2, f"nobody died at point {at}"
        assert seen == expected, f"killed at point {at} of {untouched.reaper.passed}"
