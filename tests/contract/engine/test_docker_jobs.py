"""A job that falls due, on the real engine: the platform's own passes, by a clock that is moved to the moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spin.edge.simulated import SimulatedEdge
from spin.errors import SpinError
from spin.kit import cron
from spin.model.log import Span
from spin.model.names import DeploymentKey
from spin.model.revision import Deployment, Origin, Revision
from spin.model.run import Run, RunState
from spin.model.stack import Restart, Schedule, ServiceSpec, StackSpec
from spin.reconcile.passes import Pass, World
from spin.store import SqlStore, open_store, sqlite_url
from support.engines import SECONDS, Bench
from support.planned import SettableClock

NIGHTLY = Schedule("15 3 * * *", keep=1)


async def passes(world: World, key: DeploymentKey, *, within: float = SECONDS) -> tuple[Run, ...]:
    """Passes until no run is under way; the engine works in its own time."""
    async with asyncio.timeout(within):
        while True:
            try:
                wait = await Pass(world).run(key)
            except SpinError:
                wait = None
            async with world.store.begin() as work:
                runs = (await work.job_book(key)).runs
            if wait != timedelta(0) and not any(r.active for r in runs):
                return runs
            await asyncio.sleep(0.05 if wait != timedelta(0) else 0)


async def deployed(store: SqlStore, bench: Bench, spec: StackSpec, now: datetime) -> None:
    async with store.begin(write=True) as work:
        await work.add_project(bench.key.project, now)
        await work.add_deployment(Deployment(bench.key, 1, 1, created=now, changed=now))
        await work.add_revision(bench.key, Revision(1, spec, (), "ada", now, Origin.UP))


async def test_a_time_of_the_schedule_is_one_container_that_ran_once(docker_bench: Bench, tmp_path: Path) -> None:
    bench = docker_bench
    command = ("sh", "-c", "echo by the clock; exit ${STATUS}")
    job: ServiceSpec = bench.service(
        "backup", command=command, restart=Restart.NO, schedule=NIGHTLY, environment=(("STATUS", "0"),)
    )
    now = datetime.now(UTC)
    clock = SettableClock(now)
    due = cron.following(NIGHTLY.times, now)
    assert due is not None
    async with await open_store(sqlite_url(tmp_path / "jobs.db"), bytes(32)) as store:
        await deployed(store, bench, StackSpec((job,)), now)
        engines = {bench.site.environments[0].engine: bench.engine}
        world = World(bench.site, store, engines, SimulatedEdge(), clock, lambda _: None)
        assert await passes(world, bench.key) == ()
        assert (await bench.engine.observe(bench.key)).instances == ()
        for night in range(1, 4):
            clock.time = due + timedelta(days=night - 1, seconds=1)
            runs = await passes(world, bench.key)
            assert [(r.number, r.state, r.exit_code) for r in runs] == [(n, RunState.SUCCEEDED, 0) for n in range(1, night + 1)]
            assert runs[-1].scheduled == due + timedelta(days=night - 1)
        await passes(world, bench.key)
        (kept,) = (await bench.engine.observe(bench.key)).instances
        assert (kept.slot, kept.exit_code, kept.started is not None) == (3, 0, True)
        lines = [text async for some in bench.engine.log(bench.key, kept.id, Span()) for _, _, text in some]
        assert lines == [b"by the clock"]
