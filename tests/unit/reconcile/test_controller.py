"""The loop on a real store and the simulated engine: what slow and hanging passes do to others, and which rounds wake what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.errors import Unavailable
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.observed import Snapshot
from spin.model.revision import Deployment, Goal, Origin, Revision
from spin.model.stack import Http, Image, ServiceSpec, StackSpec
from spin.model.steps import EngineStep, PullImage
from spin.reconcile import Controller, controller
from spin.reconcile.passes import World
from spin.reconcile.rounds import ROUNDS_FOR_ALL
from spin.site import Site
from spin.store import SqlStore, open_store, sqlite_url

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
PATIENCE = timedelta(milliseconds=200)


def key(number: int) -> DeploymentKey:
    return DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName(f"stack-{number}"))


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await check():  # noqa: ASYNC110 - the store and the edge tell nobody
            await asyncio.sleep(0.01)


class SlowEngine(SimulatedEngine):
    """Notes who is looked at; pulls for the deployments in `stuck` never end, and looks at those in `mute` never answer."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), behaviour=Behaviour(ready_after=timedelta(0)))
        self.looks: list[DeploymentKey] = []
        self.stuck: set[DeploymentKey] = set()
        self.mute: set[DeploymentKey] = set()
        self.pulls: list[DeploymentKey] = []
        self.tells = True
        """Its hints arrive."""

    async def hints(self) -> AsyncIterator[DeploymentKey]:
        async for key in super().hints():
            if self.tells:
                yield key

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:
        self.looks.append(key)
        if key in self.mute:
            await asyncio.Event().wait()
        return await super().observe(key, draining)

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        if isinstance(step, PullImage):
            self.pulls.append(key)
            if key in self.stuck:
                await asyncio.Event().wait()
        await super().execute(key, step)


class Scene:
    """A controller that runs."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.engine, self.edge = SlowEngine(), SimulatedEdge()
        site = Site(id="t-controller")
        engines = {environment.engine: self.engine for environment in site.environments}
        self.controller = Controller(World(site, store, engines, self.edge, SystemClock(), lambda _: None))

    async def deploy(self, *numbers: int) -> None:
        async with self.store.begin(write=True) as work:
            for number in numbers:
                image = Image(f"localhost:5000/lab/web-{number}:1", "sha256:" + "a" * 64)
                spec = StackSpec((ServiceSpec("web", image, http=Http(80)),))
                await work.add_deployment(Deployment(key(number), 1, 1, created=NOW, changed=NOW))
                await work.add_revision(key(number), Revision(1, spec, (), "ann", NOW, Origin.UP))
        for number in numbers:
            self.controller.wake(key(number))

    async def remove(self, number: int) -> None:
        async with self.store.begin(write=True) as work:
            deployment = await work.deployment(key(number))
            assert deployment is not None
            await work.save_deployment(Deployment(key(number), deployment.generation, 1, Goal.REMOVED, created=NOW, changed=NOW))
        self.controller.wake(key(number))

    async def rest(self) -> None:
        """Until nothing is due any more."""
        async with asyncio.timeout(20):
            quiet = 0
            while quiet < 3:
                await asyncio.sleep(0.03)
                quiet = 0 if self.controller.is_busy else quiet + 1

    async def served(self, *numbers: int) -> None:
        async def all_served() -> bool:
            return {str(key(n)) for n in numbers} <= {r.owner for r in await self.edge.table() if r.targets}

        await until(all_served)

    async def is_forgotten(self, number: int) -> bool:
        async with self.store.begin() as work:
            return await work.deployment(key(number)) is None

    async def resync(self) -> list[DeploymentKey]:
        """Who is looked at in a round and what follows from it."""
        await self.rest()
        self.engine.looks.clear()
        await self.controller.resync()
        await self.rest()
        return sorted(self.engine.looks)


@asynccontextmanager
async def running(folder: Path, *numbers: int) -> AsyncIterator[Scene]:
    async with await open_store(sqlite_url(folder / "spin.db"), bytes(32)) as store:
        async with store.begin(write=True) as work:
            await work.add_project("lab", NOW)
        scene = Scene(store)
        await scene.deploy(*numbers)
        task = asyncio.create_task(scene.controller.run())
        try:
            yield scene
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "PATIENCE", PATIENCE)


@pytest.mark.usefixtures("impatient")
async def test_passes_that_never_end_do_not_keep_the_others_waiting(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        stuck = range(2 * controller.WORKERS)
        scene.engine.stuck.update(map(key, stuck))
        await scene.deploy(*stuck)

        async def all_stuck() -> bool:
            return scene.engine.stuck <= set(scene.engine.pulls)

        await until(all_stuck)
        await scene.deploy(100, 101)
        await scene.served(100, 101)


@pytest.mark.usefixtures("impatient")
async def test_a_slow_pass_holds_its_key_so_nobody_else_works_on_the_same_stack(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        scene.engine.stuck.add(key(1))
        await scene.deploy(1)
        await asyncio.sleep(2 * PATIENCE.total_seconds())
        await scene.controller.wake_all()
        await scene.controller.resync()
        await asyncio.sleep(2 * PATIENCE.total_seconds())
        assert scene.engine.pulls == [key(1)]


@pytest.mark.usefixtures("impatient")
async def test_who_wants_something_else_of_a_stack_need_not_wait_for_a_pull_that_does_not_end(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        scene.engine.stuck.add(key(1))
        await scene.deploy(1)
        await asyncio.sleep(2 * PATIENCE.total_seconds())
        await scene.remove(1)
        await until(lambda: scene.is_forgotten(1))


async def test_a_wish_does_not_cut_short_a_pass_that_has_just_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "PATIENCE", timedelta(minutes=1))
    async with running(tmp_path) as scene:
        scene.engine.stuck.add(key(1))
        await scene.deploy(1)
        await asyncio.sleep(0.3)
        scene.controller.wake(key(1))
        await asyncio.sleep(0.3)
        assert scene.engine.pulls == [key(1)]


async def test_a_pass_that_hangs_is_ended_at_its_deadline_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "DEADLINE", timedelta(milliseconds=300))
    async with running(tmp_path) as scene:
        scene.engine.mute.add(key(1))
        await scene.deploy(1)
        await asyncio.sleep(0.2)
        assert scene.engine.looks == [key(1)]
        scene.engine.mute.clear()
        await scene.served(1)


async def test_at_the_start_everything_is_looked_at(tmp_path: Path) -> None:
    async with running(tmp_path, *range(10)) as scene:
        await scene.served(*range(10))
        again = Scene(scene.store)
        task = asyncio.create_task(again.controller.run())
        await again.rest()
        task.cancel()
        await asyncio.wait([task])
        assert set(again.engine.looks) == set(map(key, range(10)))


async def settled(scene: Scene) -> None:
    for _ in range(3):
        await scene.resync()


async def test_a_round_looks_only_at_a_small_part_where_nothing_has_changed(tmp_path: Path) -> None:
    async with running(tmp_path, *range(20)) as scene:
        await settled(scene)
        looks = [set(await scene.resync()) for _ in range(2)]
        assert [len(some) for some in looks] == [20 // ROUNDS_FOR_ALL] * 2
        assert not looks[0] & looks[1]


async def test_a_round_finds_what_nobody_has_told_of(tmp_path: Path) -> None:
    """An event that was lost, a wish of which the controller was not told, and routes that somebody else has removed."""
    async with running(tmp_path, *range(20)) as scene:
        await settled(scene)
        engine = scene.engine
        engine.tells = False
        lost = engine.containers(key(10))[0].id
        engine.vanish(lost)
        async with scene.store.begin(write=True) as work:
            before = await work.deployment(key(11))
            assert before is not None
            await work.save_deployment(before)
        await scene.edge.set_routes(str(key(12)), ())
        assert {key(10), key(11), key(12)} <= set(await scene.resync())
        assert [c.id for c in engine.containers(key(10))] != [lost]
        await scene.served(*range(20))


async def test_everything_is_looked_at_when_the_engine_has_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "RECONNECT", timedelta(milliseconds=50))
    async with running(tmp_path, *range(20)) as scene:
        await settled(scene)
        scene.engine.reachable = False
        await asyncio.sleep(0.3)
        scene.engine.looks.clear()
        scene.engine.reachable = True
        await asyncio.sleep(0.3)
        await scene.rest()
        assert set(scene.engine.looks) == set(map(key, range(20)))


async def test_everything_is_looked_at_when_asked_for(tmp_path: Path) -> None:
    """As the supervisor does when it has restarted the edge."""
    async with running(tmp_path, *range(20)) as scene:
        await settled(scene)
        scene.engine.looks.clear()
        await scene.controller.wake_all()
        await scene.rest()
        assert sorted(scene.engine.looks) == sorted(map(key, range(20)))


async def test_a_round_leaves_alone_what_is_tried_again_anyway(tmp_path: Path) -> None:
    async with running(tmp_path, 1) as scene:
        await scene.served(1)
        scene.engine.reachable = False
        for _ in range(4):
            scene.controller.wake(key(1))
            await scene.rest()
        failures = len(scene.engine.looks)
        await scene.controller.resync()
        await scene.rest()
        assert len(scene.engine.looks) == failures


async def test_a_store_or_an_edge_that_does_not_answer_ends_no_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "RESYNC", timedelta(milliseconds=50))
    async with running(tmp_path, 1) as scene:
        await scene.served(1)
        generations = type(scene.store).begin

        def gone(*_: object, **__: object) -> None:
            raise Unavailable("The store does not answer.")

        monkeypatch.setattr(type(scene.store), "begin", gone)
        scene.edge.reachable = False
        await asyncio.sleep(0.3)
        monkeypatch.setattr(type(scene.store), "begin", generations)
        scene.edge.reachable = True
        scene.engine.vanish(scene.engine.containers(key(1))[0].id)
        await scene.deploy(2)
        await scene.served(1, 2)


async def test_a_pass_that_fails_is_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        scene.engine.fail(PullImage, message="no such image")
        await scene.deploy(1)
        await scene.served(1)
        assert len(scene.engine.pulls) == 2
