"""Whatever happens to a job, no time of its schedule gets two runs, no run is started twice, and every run comes to an end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spin.engines.simulated import Behaviour
from spin.model.observed import Phase
from spin.model.run import RunState
from spin.model.stack import Overlap, Restart, Schedule, ServiceSpec, StackSpec
from spin.plan import jobs, plan
from support.planned import image
from support.worlds import World

MINUTE = timedelta(minutes=1)


def mishap(world: World, chance: Random) -> None:
    """One thing that people, the engine or the machine do."""
    instances = world.observe().instances
    match chance.randrange(12):
        case 0 if instances:
            world.engine.vanish(chance.choice(instances).id)
        case 1 if any(i.alive for i in instances):
            world.engine.crash(chance.choice([i for i in instances if i.alive]).id, 3)
        case 2:
            world.clock.time += MINUTE * chance.randrange(1, 40)  # the platform was away
        case 3:
            world.change("job", image=image("job", chance.randrange(1, 4)))
        case 4:
            times = chance.choice(["*/5 * * * *", "*/7 * * * *", "0 * * * *"])
            old = world.spec.services[0].schedule
            assert old is not None
            world.change("job", schedule=replace(old, times=times, overlap=chance.choice(list(Overlap))))
        case 5:
            world.stop("job")
        case 6:
            world.start("job")
        case 7:
            job = world.desired.jobs[0]
            busy = [r for r in world.book.runs if r.active]
            if not job.stopped and (not busy or job.spec.schedule is None or job.spec.schedule.overlap is Overlap.REPLACE):
                world.ask("job")


def a_pass(world: World, chance: Random) -> None:
    """A pass that may be killed anywhere: before it has written, or after some of its steps, in any order."""
    observed = world.observe()
    found = jobs.advance(world.desired, observed, world.clock.now())
    if found:
        if chance.random() < 0.8:
            world.write_runs(found)
        return
    steps = list(plan(world.desired, observed, world.clock.now()).steps)
    chance.shuffle(steps)
    for step in steps[: chance.randrange(len(steps) + 1)]:
        world.execute(step, observed)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_run_happens_once_or_not_at_all(number: int) -> None:
    chance = Random(number)
    schedule = Schedule("*/5 * * * *", chance.choice(list(Overlap)), chance.choice([None, 120_000]), chance.randrange(3))
    job = ServiceSpec("job", image("job"), restart=Restart.NO, schedule=schedule)
    world = World(StackSpec((job,)))
    takes = chance.choice([timedelta(seconds=20), 4 * MINUTE, 11 * MINUTE])
    world.engine.behave("job", Behaviour(exits_after=takes, exit_code=chance.randrange(2)))
    for _ in range(120):
        if chance.random() < 0.25:
            mishap(world, chance)
        a_pass(world, chance)
        world.clock.time += timedelta(seconds=chance.choice([0, 1, 20, 90]))
    starts = Counter(world.run_starts)
    assert not [name for name, times in starts.items() if times > 1]
    due = Counter(r.scheduled for r in world.book.runs if r.scheduled is not None)
    assert not [time for time, times in due.items() if times > 1]
    assert [r.number for r in world.book.runs] == list(range(1, len(world.book.runs) + 1))
    world.stop("job")
    world.live_until(world.clock.now() + 20 * MINUTE)
    assert not [r for r in world.book.runs if r.active]
    assert not [i for i in world.observe().instances if i.alive or i.phase is Phase.CREATED]
    ran = [r for r in world.book.runs if r.state in (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT)]
    assert all(r.ended is not None for r in ran)
