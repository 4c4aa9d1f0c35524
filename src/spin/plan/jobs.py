"""Services with a schedule: what is due, what becomes of their runs, and the steps for the runs' containers. Pure.

The record of the runs is a part of what is wanted: `advance` says what it should say next, the loop stores that, and `steps` goes by
what is stored. So a kill at any moment loses nothing and repeats nothing:

- A time of the schedule gets its run in the same write that says the time is dealt with.
- A run's container is named after the run, so creating it twice makes one.
- It is written down that a container may be started before it is. Only a container that was never started is started, and a run
  whose container is gone from then on has failed: a run happens once or not at all, never twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spin.errors import Conflict
from spin.kit import cron
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.run import Job, Run, RunState
from spin.model.stack import Overlap, Schedule
from spin.model.steps import Create, Remove, Start, Step, Stop
from spin.plan.desired import Desired, DesiredService
from spin.plan.services import View, how_it_ended, survey, waits_for
from spin.plan.supplies import is_supplied

LATE = timedelta(minutes=10)
"""A run that was missed, as the platform or its engine was down, is made up for when it is at most so late: a nightly backup does not
wait for the next night because of a restart, and does not run at noon either (Kubernetes: `startingDeadlineSeconds`)."""
PATIENCE = timedelta(minutes=10)
"""A run that has not begun so long after it was wanted has failed: no image, no room, a dependency that does not come."""
MOST_AT_ONCE = 5
"""Runs of one job at the same time, where it allows any."""
MOST_COUNTED = 1000
"""So many missed times are counted."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What is to be written. Every run's job is among `jobs`, as it was read: `version` grows when it is stored."""

    jobs: tuple[Job, ...] = ()
    runs: tuple[Run, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.jobs)


def advance(desired: Desired, observed: Snapshot, now: datetime, reasons: Mapping[str, str] | None = None) -> Advance:
    """What the record of the jobs should say next; empty when it says all. `reasons`: why steps for a service fail, if they do."""
    if desired.removed:
        return Advance()
    containers = containers_of(desired, observed)
    jobs: list[Job] = []
    runs: list[Run] = []
    for service in desired.jobs:
        one = _Advance(desired, observed, service, containers, now, (reasons or {}).get(service.name, ""))
        job, changed = one.result()
        if job is not None:
            jobs.append(job)
            runs += changed
    for job in desired.book.jobs:
        if desired.job(job.service) is None:
            orphans = [
                _end(r, RunState.STOPPED, now, "no longer a job of this stack") for r in desired.book.of(job.service) if r.active
            ]
            if orphans:
                jobs.append(job)
                runs += orphans
    return Advance(tuple(jobs), tuple(runs))


def containers_of(desired: Desired, observed: Snapshot) -> dict[tuple[str, int], Instance]:
    """The container of each run that has one, by service and number."""
    return {(i.service, i.slot): i for i in observed.instances if desired.run_of(i) is not None}


def ask(desired: Desired, service: DesiredService, now: datetime, by: str) -> Advance:
    """A run that a person wants now. Raises Conflict where the job is stopped, or may not run beside what goes on."""
    name = service.name
    if service.stopped:
        raise Conflict(f"{name} is stopped: start it first, with `spin start {desired.key.stack}/{name}`.", service=name)
    job = desired.book.job(name) or Job(name, _schedule(service).times, now)
    active = [r for r in desired.book.of(name) if r.active]
    if not _has_room(service, active):
        going = f"run {active[-1].number} of {name} still goes on"
        raise Conflict(
            f"{going}, and its `overlap` does not let another one begin: wait for its end, or stop it with "
            f"`spin stop {desired.key.stack}/{name}`.",
            service=name,
            run=active[-1].number,
        )
    new = Run(name, job.last + 1, RunState.WAITING, now, desired.revision, service.digest, by=by)
    ending = _replaced(service, active, new.number, containers={}, now=now)
    return Advance((replace(job, last=new.number),), (*ending, new))


class _Advance:
    """One look at one job."""

    def __init__(
        self,
        desired: Desired,
        observed: Snapshot,
        service: DesiredService,
        containers: Mapping[tuple[str, int], Instance],
        now: datetime,
        reason: str,
    ) -> None:
        self.desired = desired
        self.observed = observed
        self.service = service
        self.schedule = _schedule(service)
        self.containers = containers
        self.now = now
        self.reason = reason
        self.waiting = _waiting(desired, observed, service)

    def result(self) -> tuple[Job | None, list[Run]]:
        """The job, if anything is to be written, and its runs that change."""
        name, times = self.service.name, self.schedule.times
        before = self.desired.book.job(name)
        job = before or Job(name, times, self.now)
        if job.times != times:
            job = replace(job, times=times, since=self.now)
        old = self.desired.book.of(name)
        runs = {r.number: self._next(r) if r.active else r for r in old}
        job = self._due(job, runs)
        changed = [r for r in runs.values() if r not in old]
        return (None if job == before and not changed else job), changed

    # A run that is under way.

    def _next(self, run: Run) -> Run:
        i = self.containers.get((run.service, run.number))
        if run.launched or (i is not None and i.phase is not Phase.CREATED):
            return self._launched(run, i)
        if self.service.stopped:
            return _end(run, RunState.STOPPED, self.now, "the job was stopped")
        if run.ending is not None:
            return _end(run, run.ending, self.now, run.detail)
        if run.wanted + PATIENCE <= self.now:
            why = (
                self.reason
                or self.waiting
                or ("its container could not be made" if i is None else "its container was not started")
            )
            return _end(run, RunState.FAILED, self.now, f"it had not begun after {_minutes(PATIENCE)}: {why}")
        if i is None:
            return replace(run, revision=self.desired.revision, digest=self.service.digest, detail=self.waiting)
        if self.waiting or self._is_held_up(run):
            return replace(run, detail=self.waiting or "waiting for the run before to end")
        return replace(run, state=RunState.RUNNING, launched=True, detail="")

    def _is_held_up(self, run: Run) -> bool:
        """`overlap: replace`: the one before still ends."""
        others = (i for (service, n), i in self.containers.items() if service == run.service and n != run.number)
        return self.schedule.overlap is Overlap.REPLACE and any(i.alive for i in others)

    def _launched(self, run: Run, i: Instance | None) -> Run:
        run = replace(run, state=RunState.RUNNING, launched=True)
        if i is None:
            return _end(run, run.ending or RunState.FAILED, self.now, run.detail or "its container is gone")
        if i.phase is Phase.CREATED:
            if self.service.stopped:
                return _end(run, RunState.STOPPED, self.now, "the job was stopped")
            return run if run.ending is None else _end(run, run.ending, self.now, run.detail)
        run = replace(run, started=run.started or i.started)
        if i.phase is Phase.EXITED:
            return _ended(run, i)
        if i.phase is Phase.UNKNOWN or run.ending is not None:
            return run
        if self.service.stopped:
            return replace(run, ending=RunState.STOPPED, detail="the job was stopped")
        if (ends := times_out(self.schedule, run)) is not None and ends <= self.now:
            return replace(run, ending=RunState.TIMED_OUT, detail=f"it took longer than {_length(self.schedule.timeout_ms)}")
        return run

    # A time of the schedule.

    def _due(self, job: Job, runs: dict[int, Run]) -> Job:
        """Deals with the times of the schedule up to now: at most one new run for the last of them."""
        since = max(job.since, self.service.started or job.since)
        due = cron.latest(job.times, self.now)
        if due is None or due <= since:
            return job
        job = replace(job, since=due)
        if self.service.stopped:
            return job
        missed = cron.count(job.times, since, due, MOST_COUNTED)
        if self.now - due > LATE:
            missed, last = missed + 1, due
        else:
            last = due - timedelta(microseconds=1)
        if missed:
            detail = f"nobody was there to start it, and it would have been more than {_minutes(LATE)} late"
            if self.now - due <= LATE:
                detail = "nobody was there to start it, and a later one was due already"
            job = self._never(job, runs, RunState.MISSED, cron.latest(job.times, last) or due, detail, missed)
        if self.now - due > LATE:
            return job
        active = [r for r in runs.values() if r.active]
        if not _has_room(self.service, active):
            return self._never(job, runs, RunState.SKIPPED, due, f"run {active[-1].number} still went on", 1)
        new = Run(
            self.service.name, job.last + 1, RunState.WAITING, self.now, self.desired.revision, self.service.digest, scheduled=due
        )
        for run in _replaced(self.service, active, new.number, self.containers, self.now):
            runs[run.number] = run
        runs[new.number] = new
        return replace(job, last=new.number)

    def _never(self, job: Job, runs: dict[int, Run], state: RunState, time: datetime, detail: str, times: int) -> Job:
        """Record what does not run. The same once more in a row is one entry, so that it does not push all others out."""
        newest = runs.get(job.last)
        if newest is not None and newest.state is state and newest.detail == detail:
            runs[job.last] = replace(newest, scheduled=time, ended=self.now, times=newest.times + times)
            return job
        number, service = job.last + 1, self.service
        run = Run(service.name, number, state, self.now, self.desired.revision, service.digest, scheduled=time)
        runs[number] = replace(run, ended=self.now, detail=detail, times=times)
        return replace(job, last=number)


def steps(desired: Desired, observed: Snapshot) -> tuple[list[Step], list[DesiredService]]:
    """The steps for the containers of runs, and the jobs that need supplies, as a container of theirs has to be made."""
    containers = containers_of(desired, observed)
    found: list[Step] = []
    needy: list[DesiredService] = []
    for service in desired.jobs:
        runs = desired.book.of(service.name)
        lacking = [r for r in runs if _lacks_container(r, service) and (r.service, r.number) not in containers]
        if lacking:
            needy.append(service)
        if is_supplied(service, observed):
            found += [Create(service.spec, service.digest, r.number, 1, cause_of(r), service.peers) for r in lacking]
        kept = kept_of(service, runs, containers)
        for run in runs:
            i = containers.get((run.service, run.number))
            if i is not None:
                found += _container(service, run, i, keep=run.number in kept)
    return found, needy


def kept_of(service: DesiredService, runs: Iterable[Run], containers: Mapping[tuple[str, int], Instance]) -> frozenset[int]:
    """The numbers of the runs that have ended and whose containers stay for a look: the newest ones."""
    ended = [r.number for r in runs if not r.active and (r.service, r.number) in containers]
    return frozenset(sorted(ended, reverse=True)[: _schedule(service).keep])


def wakes(desired: Desired, now: datetime) -> Iterable[timedelta]:
    """When something of a job is due though nothing happens."""
    for service in desired.jobs:
        schedule = _schedule(service)
        moments = [cron.following(schedule.times, now)]
        for run in desired.book.of(service.name):
            if run.active and not run.launched:
                moments.append(run.wanted + PATIENCE)
            elif run.active and run.ending is None:
                moments.append(times_out(schedule, run))
        yield from (max(m - now, timedelta(milliseconds=100)) for m in moments if m is not None)


def times_out(schedule: Schedule, run: Run) -> datetime | None:
    """When a run has taken too long."""
    if schedule.timeout_ms is None or run.started is None:
        return None
    return run.started + timedelta(milliseconds=schedule.timeout_ms)


def cause_of(run: Run) -> str:
    """Why there is a run: `run 4, due 03:15`, or who asked."""
    if run.scheduled is not None:
        return f"run {run.number}, due at {run.scheduled:%Y-%m-%d %H:%M} UTC"
    return f"run {run.number}, asked for by {run.by}"


def _lacks_container(run: Run, service: DesiredService) -> bool:
    wanted = run.state is RunState.WAITING and not run.launched and run.ending is None
    return wanted and not service.stopped and run.digest == service.digest


def _container(service: DesiredService, run: Run, i: Instance, *, keep: bool) -> Iterable[Step]:
    if i.phase is Phase.UNKNOWN:
        return
    if i.alive:
        if run.ending is not None or not run.active:
            yield Stop(i.id, i.name, service.spec.stop_grace_ms, run.detail or run.state.value)
    elif run.active:
        if i.phase is Phase.CREATED and run.launched and run.ending is None and not service.stopped:
            yield Start(i.id, i.name, cause_of(run))
    elif not keep or i.phase is Phase.CREATED:
        yield Remove(i.id, i.name, f"run {run.number} has ended")


def _schedule(service: DesiredService) -> Schedule:
    if service.spec.schedule is None:
        raise ValueError(f"{service.name} has no schedule")
    return service.spec.schedule


def _waiting(desired: Desired, observed: Snapshot, service: DesiredService) -> str:
    """What a run of the service still waits for."""
    if not service.spec.depends_on:
        return ""
    return waits_for(View(service, (), (), (), ()), survey(desired, observed))


def _has_room(service: DesiredService, active: list[Run]) -> bool:
    match _schedule(service).overlap:
        case Overlap.SKIP:
            return not active
        case Overlap.REPLACE:
            return True
        case Overlap.ALLOW:
            return len(active) < MOST_AT_ONCE


def _replaced(
    service: DesiredService, active: Iterable[Run], by: int, containers: Mapping[tuple[str, int], Instance], now: datetime
) -> list[Run]:
    """`overlap: replace`: the runs that go on, on their way out. What has not begun ends at once, where that is known."""
    if _schedule(service).overlap is not Overlap.REPLACE:
        return []
    detail = f"replaced by run {by}"
    return [
        _end(r, RunState.STOPPED, now, detail)
        if not r.launched and containers and (r.service, r.number) not in containers
        else replace(r, ending=r.ending or RunState.STOPPED, detail=r.detail if r.ending else detail)
        for r in active
    ]


def _ended(run: Run, i: Instance) -> Run:
    state = run.ending or (RunState.SUCCEEDED if i.exit_code == 0 and not i.oom_killed else RunState.FAILED)
    why = i.detail or how_it_ended(i)
    detail = run.detail if run.ending is not None else "" if state is RunState.SUCCEEDED else why
    return replace(run, state=state, ended=i.since, exit_code=i.exit_code, detail=detail, ending=None)


def _end(run: Run, state: RunState, now: datetime, detail: str) -> Run:
    return replace(run, state=state, ended=now, detail=detail, ending=None)


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g} minutes"


_UNITS: tuple[tuple[int, str], ...] = ((3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))


def _length(milliseconds: int | None) -> str:
    """Such as `1h` or `90m`."""
    said = milliseconds or 0
    size, unit = next((size, unit) for size, unit in _UNITS if said % size == 0)
    return f"{said // size}{unit}"


def happened(before: Iterable[Run], after: Run) -> str:
    """What an event says of a run that changed, such as `run 4 succeeded`; empty where there is nothing to tell."""
    old = next((r for r in before if r.number == after.number), None)
    number = f"{after.service}: run {after.number}"
    match after.state:
        case RunState.RUNNING:
            return f"{number} began" if old is None or old.state is not RunState.RUNNING else ""
        case RunState.WAITING:
            return ""
        case RunState.SKIPPED | RunState.MISSED:
            return f"{number} was {after.state.value}" if old is None else ""
        case RunState.TIMED_OUT:
            return f"{number} timed out"
        case _:
            return f"{number} {after.state.value}" if after.state is not RunState.STOPPED else f"{number} was stopped"
