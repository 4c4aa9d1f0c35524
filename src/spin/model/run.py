"""Runs of a job: what was due or asked for, and what became of it. The controller's record, which the planner reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

KEPT = 50
"""So many runs of a job that have ended are remembered."""


class RunState(Enum):
    """What has become of a run."""

    WAITING = "waiting"
    """Its container is not there yet, or waits for others."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    STOPPED = "stopped"
    """Ended before its time: replaced by the next, or the service was stopped, changed or removed."""
    SKIPPED = "skipped"
    """Never began: another run went on."""
    MISSED = "missed"
    """Never began: nobody was there at its time."""


ACTIVE = frozenset({RunState.WAITING, RunState.RUNNING})
"""Something is still to be done."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job. Its container is the one in slot `number` with template `digest`: started at most once."""

    service: str
    number: int
    """Counts a job's runs from 1; not given out again."""
    state: RunState
    wanted: datetime
    """When it was recorded as due, or asked for."""
    revision: int
    digest: str
    """Template digest of its container."""
    scheduled: datetime | None = None
    """The time of the schedule that it is for; None: somebody asked for it."""
    by: str = ""
    """Who asked for it; empty: the schedule."""
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    detail: str = ""
    """Why it is as it is."""
    times: int = 1
    """Skipped or missed: how many times of the schedule in a row, up to `scheduled`."""
    ending: RunState | None = None
    """It is being ended, and this is what it will then be."""
    launched: bool = False
    """Its container was made and may have been started: what is gone from then on does not run again."""

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


@dataclass(frozen=True, slots=True)
class Job:
    """What is remembered of a service with a schedule, beside its runs. `version` grows with each write (compare-and-set)."""

    service: str
    times: str
    """The schedule that `since` is about."""
    since: datetime
    """What was due until then is dealt with: the last time of the schedule that was, or when the schedule came."""
    last: int = 0
    """Number of the newest run."""
    version: int = 0


@dataclass(frozen=True, slots=True)
class JobBook:
    """All that the store knows of one deployment's jobs. Runs by service and number."""

    jobs: tuple[Job, ...] = ()
    runs: tuple[Run, ...] = ()

    def job(self, service: str) -> Job | None:
        return next((j for j in self.jobs if j.service == service), None)

    def of(self, service: str) -> tuple[Run, ...]:
        return tuple(r for r in self.runs if r.service == service)


NO_JOBS = JobBook()
