"""Services with a schedule: when they run, what becomes of their runs, and what stays of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spin.engines.simulated import Behaviour, Fault
from spin.errors import Conflict
from spin.model.observed import Phase
from spin.model.run import RunState
from spin.model.stack import Condition, Dependency, Overlap, Restart, Schedule, ServiceSpec, StackSpec
from spin.model.status import State
from spin.model.steps import Create, PullImage, Start, Stop
from spin.plan import jobs, plan, text
from support.planned import EPOCH, image
from support.worlds import World

NIGHTLY = Schedule("15 3 * * *")
BACKUP = ServiceSpec("backup", image("backup"), restart=Restart.NO, schedule=NIGHTLY)
DB = ServiceSpec("db", image("db"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DUE = EPOCH + 3 * HOUR + 15 * MINUTE
TAKES = 2 * MINUTE


def world_of(*services: ServiceSpec, takes: timedelta | None = TAKES, exit_code: int = 0) -> World:
    world = World(StackSpec(services or (BACKUP,)))
    for service in services or (BACKUP,):
        if service.schedule is not None:
            world.engine.behave(service.name, Behaviour(ready_after=timedelta(seconds=1), exits_after=takes, exit_code=exit_code))
    world.live_until(EPOCH + MINUTE)
    return world


def scheduled(**changes: object) -> ServiceSpec:
    return replace(BACKUP, schedule=replace(NIGHTLY, **changes))  # type: ignore[arg-type]  # fields of Schedule


def told(world: World) -> list[str]:
    """The runs, as in `1 succeeded`."""
    return [f"{r.number} {r.state.value}" for r in world.book.runs]


def test_nothing_is_there_before_the_first_time_and_the_plan_says_when_to_look_again() -> None:
    world = world_of()
    assert world.observe().instances == ()
    todo = world.plan()
    assert todo.steps == ()
    assert todo.wake_after is not None
    assert world.clock.now() + todo.wake_after == DUE
    seen = world.status()
    assert (seen.state, seen.services[0].state, seen.services[0].detail) == (
        State.HEALTHY,
        State.SCHEDULED,
        "next 2025-01-01 03:15 UTC",
    )


def test_a_run_at_its_time_in_a_container_of_its_own() -> None:
    world = world_of()
    world.live_until(DUE + MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.scheduled, run.number) == (RunState.RUNNING, DUE, 1)
    assert [(i.service, i.slot, i.phase) for i in world.observe().instances] == [("backup", 1, Phase.READY)]
    assert "run 1 is running; next 2025-01-02 03:15 UTC" in world.status().services[0].detail
    world.live_until(DUE + 5 * MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.exit_code) == (RunState.SUCCEEDED, 0)
    assert run.ended is not None
    assert run.started is not None
    assert run.ended - run.started == TAKES
    assert world.status().services[0].detail == "run 1 succeeded; next 2025-01-02 03:15 UTC"


def test_each_night_once_and_the_newest_containers_stay() -> None:
    world = world_of()
    world.live_until(EPOCH + 6 * DAY)
    assert told(world) == [f"{n} succeeded" for n in range(1, 7)]
    assert [i.slot for i in world.observe().instances] == [4, 5, 6]
    assert len(world.run_starts) == len(set(world.run_starts)) == 6


def test_what_ends_with_another_status_than_0_has_failed_and_the_stack_is_healthy_all_the_same() -> None:
    world = world_of(exit_code=3)
    world.live_until(DUE + 10 * MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.exit_code, run.detail) == (RunState.FAILED, 3, "exited with 3")
    assert world.status().state is State.HEALTHY
    assert world.status().services[0].detail.startswith("run 1 failed: exited with 3; ")


def test_a_run_that_takes_too_long_is_ended() -> None:
    world = world_of(scheduled(timeout_ms=600_000), takes=None)
    world.live_until(DUE + 9 * MINUTE)
    assert told(world) == ["1 running"]
    world.live_until(DUE + 12 * MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.detail) == (RunState.TIMED_OUT, "it took longer than 10m")
    assert run.exit_code == 143
    assert [i.phase for i in world.observe().instances] == [Phase.EXITED]


def test_a_time_that_comes_while_a_run_goes_on_is_skipped_and_many_of_them_are_one_entry() -> None:
    world = world_of(scheduled(times="*/10 * * * *"), takes=55 * MINUTE)
    world.live_until(EPOCH + HOUR)
    assert told(world) == ["1 running", "2 skipped"]
    skipped = world.book.runs[1]
    assert (skipped.times, skipped.scheduled, skipped.detail) == (5, EPOCH + HOUR, "run 1 still went on")
    world.live_until(EPOCH + HOUR + 11 * MINUTE)
    assert told(world) == ["1 succeeded", "2 skipped", "3 running"]


def test_replace_ends_the_run_that_goes_on_before_the_next_one_begins() -> None:
    world = world_of(scheduled(times="*/10 * * * *", overlap=Overlap.REPLACE), takes=None)
    world.live_until(EPOCH + 21 * MINUTE)
    assert told(world) == ["1 stopped", "2 running"]
    assert world.book.runs[0].detail == "replaced by run 2"
    assert [i.slot for i in world.observe().instances if i.alive] == [2]
    stop = next(n for n, line in enumerate(world.done) if line.startswith("stop shop-backup-1-"))
    start = next(n for n, line in enumerate(world.done) if line.startswith("start shop-backup-2-"))
    assert stop < start


def test_allow_lets_runs_go_on_beside_each_other_up_to_a_number() -> None:
    world = world_of(scheduled(times="*/10 * * * *", overlap=Overlap.ALLOW), takes=None)
    world.live_until(EPOCH + 61 * MINUTE)
    assert told(world) == [*(f"{n} running" for n in range(1, jobs.MOST_AT_ONCE + 1)), "6 skipped"]


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (9 * MINUTE, ["1 running"]),
        (11 * MINUTE, ["1 missed"]),
        (2 * DAY + 5 * MINUTE, ["1 missed", "2 running"]),
        (2 * DAY + HOUR, ["1 missed"]),
    ],
)
def test_what_was_missed_is_made_up_for_when_it_is_little_late_and_else_recorded(late: timedelta, expected: list[str]) -> None:
    world = world_of(takes=HOUR)
    world.clock.time = DUE + late
    world.live_until(DUE + late + MINUTE)
    assert told(world) == expected


def test_missed_times_are_counted_in_one_entry() -> None:
    world = world_of()
    world.clock.time = DUE + 10 * DAY + HOUR
    world.live_until(world.clock.now() + MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.times, run.scheduled) == (RunState.MISSED, 11, DUE + 10 * DAY)


def test_a_time_is_dealt_with_once_however_often_it_is_looked_at() -> None:
    world = world_of(takes=timedelta(seconds=5))
    for _ in range(20):
        world.live_until(DUE + MINUTE)
    assert told(world) == ["1 succeeded"]


def test_the_clock_may_be_set_back_and_nothing_runs_twice() -> None:
    world = world_of()
    world.live_until(DUE + 5 * MINUTE)
    world.clock.time = DUE - MINUTE
    world.live_until(DUE + 5 * MINUTE)
    assert told(world) == ["1 succeeded"]


def test_a_run_whose_record_was_written_and_nothing_else_goes_on_after_a_crash() -> None:
    world = world_of()
    world.clock.time = DUE
    world.look()  # written; the steps are lost
    assert told(world) == ["1 waiting"]
    world.live_until(DUE + 5 * MINUTE)
    assert told(world) == ["1 succeeded"]


def test_a_container_that_was_started_without_anybody_seeing_it_counts() -> None:
    """The platform was killed after the start, and comes back when the run has ended."""
    world = world_of()
    world.live_until(DUE + timedelta(seconds=3))
    world.clock.time += HOUR
    world.live_until(world.clock.now() + MINUTE)
    (run,) = world.book.runs
    assert (run.state, len(world.run_starts)) == (RunState.SUCCEEDED, 1)
    assert run.ended is not None
    assert run.ended < DUE + 5 * MINUTE


def test_a_run_whose_container_was_taken_away_has_failed_and_is_not_repeated() -> None:
    world = world_of(takes=HOUR)
    world.live_until(DUE + MINUTE)
    world.engine.vanish(world.observe().instances[0].id)
    world.live_until(DUE + 5 * MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.detail) == (RunState.FAILED, "its container is gone")
    assert len(world.run_starts) == 1


def test_a_run_that_cannot_begin_has_failed_in_the_end_with_the_reason() -> None:
    world = world_of()
    world.tolerant = True
    world.engine.fail(PullImage, Fault.FAILS, times=None)
    world.clock.time = DUE
    for _ in range(15):
        world.do_plan()
        world.clock.time += MINUTE
    (run,) = world.book.runs
    assert run.state is RunState.FAILED
    assert run.detail.startswith("it had not begun after 10 minutes: ")


def test_a_run_waits_for_what_the_job_depends_on() -> None:
    job = replace(BACKUP, depends_on=(Dependency("db", Condition.HEALTHY),))
    world = World(StackSpec((job, DB)))
    world.engine.behave("db", Behaviour(ready_after=None))
    world.clock.time = DUE - timedelta(seconds=30)
    world.live_until(DUE + MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.detail) == (RunState.WAITING, "waiting for db to be healthy")
    assert [i.phase for i in world.observe().instances if i.service == "backup"] == [Phase.CREATED]
    world.live_until(DUE + 11 * MINUTE)
    assert told(world) == ["1 failed"]
    assert "waiting for db to be healthy" in world.book.runs[0].detail


def test_a_new_revision_applies_from_the_next_run_on() -> None:
    world = world_of(takes=HOUR)
    world.live_until(DUE + MINUTE)
    first = world.observe().instances[0].digest
    world.change("backup", image=image("backup", 2))
    world.live_until(DUE + 2 * HOUR)
    assert told(world) == ["1 succeeded"]
    world.live_until(DUE + DAY + MINUTE)
    assert [(r.revision, r.digest == first) for r in world.book.runs] == [(1, True), (2, False)]


def test_another_schedule_counts_from_when_it_came() -> None:
    world = world_of()
    world.live_until(EPOCH + 12 * HOUR)
    world.change("backup", schedule=Schedule("0 2 * * *"))
    world.live_until(EPOCH + 12 * HOUR + MINUTE)
    assert told(world) == ["1 succeeded"]
    assert world.status().services[0].detail.endswith("next 2025-01-02 02:00 UTC")


def test_stop_ends_what_goes_on_and_nothing_runs_until_start() -> None:
    world = world_of(takes=HOUR)
    world.live_until(DUE + MINUTE)
    world.stop("backup")
    world.live_until(DUE + 2 * MINUTE)
    assert told(world) == ["1 stopped"]
    assert world.status().services[0].state is State.STOPPED
    world.live_until(DUE + 2 * DAY)
    assert told(world) == ["1 stopped"]
    world.start("backup")
    world.live_until(DUE + 2 * DAY + HOUR)
    assert told(world) == ["1 stopped"]
    world.live_until(DUE + 3 * DAY + MINUTE)
    assert told(world) == ["1 stopped", "2 running"]


def test_removing_the_stack_ends_and_removes_runs() -> None:
    world = world_of(takes=HOUR)
    world.live_until(DUE + MINUTE)
    world.remove()
    world.settle()
    assert world.observe().instances == ()
    assert world.status().state is State.REMOVED


def test_a_job_that_leaves_the_stack_takes_its_runs_along() -> None:
    world = world_of(BACKUP, DB, takes=HOUR)
    world.live_until(DUE + MINUTE)
    world.up(StackSpec((DB,)))
    world.settle()
    assert [i.service for i in world.observe().instances] == ["db"]
    assert [(r.state, r.detail) for r in world.book.runs] == [(RunState.STOPPED, "no longer a job of this stack")]


def test_a_service_becomes_a_job_and_a_service_again() -> None:
    world = World(StackSpec((replace(BACKUP, schedule=None),)))
    world.settle()
    assert [i.phase for i in world.observe().instances] == [Phase.READY]
    world.change("backup", schedule=NIGHTLY)
    world.live_until(world.clock.now() + MINUTE)
    assert world.observe().instances == ()
    assert world.status().services[0].state is State.SCHEDULED
    world.engine.behave("backup", Behaviour(exits_after=None))
    world.live_until(DUE + MINUTE)
    assert [i.slot for i in world.observe().instances] == [1]
    world.change("backup", schedule=None)
    world.settle()
    assert [(i.phase, i.digest == world.desired.services[0].digest) for i in world.observe().instances] == [(Phase.READY, True)]
    assert told(world) == ["1 stopped"]


def test_in_an_upgrade_to_a_job_the_containers_from_before_are_kept_until_it_is_confirmed() -> None:
    world = World(StackSpec((replace(BACKUP, schedule=None), DB)), keeping=True)
    world.settle()
    world.change("backup", schedule=NIGHTLY)
    world.live_until(world.clock.now() + MINUTE)
    assert world.status().state is State.UPGRADED
    assert [i.phase for i in world.observe().instances if i.service == "backup"] == [Phase.EXITED]
    world.confirm()
    world.live_until(world.clock.now() + MINUTE)
    assert [i.service for i in world.observe().instances] == ["db"]
    assert world.status().state is State.HEALTHY


def test_a_person_asks_for_a_run_now() -> None:
    world = world_of()
    world.ask("backup")
    world.live_until(EPOCH + 10 * MINUTE)
    (run,) = world.book.runs
    assert (run.state, run.by, run.scheduled) == (RunState.SUCCEEDED, "ada", None)
    world.live_until(DUE + 10 * MINUTE)
    assert told(world) == ["1 succeeded", "2 succeeded"]


def test_a_run_that_may_not_overlap_cannot_be_asked_for() -> None:
    world = world_of(takes=HOUR)
    world.ask("backup")
    with pytest.raises(Conflict, match="run 1 of backup still goes on"):
        world.ask("backup")
    world.stop("backup")
    world.live_until(world.clock.now() + MINUTE)
    with pytest.raises(Conflict, match="backup is stopped: start it first, with `spin start shop/backup`"):
        world.ask("backup")


def test_other_services_do_not_mind_their_neighbour_s_runs() -> None:
    world = world_of(BACKUP, DB)
    world.live_until(DUE + DAY + 10 * MINUTE)
    assert told(world) == ["1 succeeded", "2 succeeded"]
    (db,) = [i for i in world.observe().instances if i.service == "db"]
    assert (db.phase, db.since < EPOCH + MINUTE) == (Phase.READY, True)
    assert world.status().state is State.HEALTHY


def test_any_subset_of_the_steps_of_a_run_will_do() -> None:
    world = world_of()
    world.clock.time = DUE
    kinds = set()
    for _ in range(40):
        observed = world.look()
        for step in plan(world.desired, observed, world.clock.now()).steps[:1]:
            world.execute(step, observed)
            kinds.add(type(step))
        world.clock.time += timedelta(seconds=10)
    assert told(world) == ["1 succeeded"]
    assert {Create, Start} <= kinds
    assert Stop not in kinds


def test_steps_say_which_run_they_are_for() -> None:
    world = world_of()
    world.clock.time = DUE
    world.look()
    lines: list[str] = []
    for _ in range(6):
        observed = world.look()
        steps = plan(world.desired, observed, world.clock.now()).steps
        lines += [text(s) for s in steps]
        for step in steps:
            world.execute(step, observed)
    assert any(line.startswith("create backup-1 @") and line.endswith(" -- run 1, due at 2025-01-01 03:15 UTC") for line in lines)


def test_a_run_s_container_is_nobody_s_replica_when_the_digest_is_the_same() -> None:
    spec = StackSpec((replace(BACKUP, schedule=None),))
    job = StackSpec((BACKUP,))
    plain, run = World(spec), World(job)
    assert plain.desired.services[0].digest != run.desired.jobs[0].digest
    later = World(StackSpec((replace(BACKUP, schedule=Schedule("0 0 * * *", timeout_ms=1000)),)))
    assert later.desired.jobs[0].digest == run.desired.jobs[0].digest
