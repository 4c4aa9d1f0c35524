"""How often a job runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from spin.kit import cron
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule

_OFTEN = timedelta(minutes=5)
_SOME = 30
"""So many times of the schedule are looked at."""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if service.schedule is not None and (gap := _shortest(service.schedule.times)) is not None and gap < _OFTEN:
            values = {"minutes": f"{gap.total_seconds() / 60:g}"}
            yield Place(f"services.{service.name}.x-spin.schedule", service.name, values)


def _shortest(times: str) -> timedelta | None:
    """The shortest time between two runs, of the first ones of a year."""
    found: list[datetime] = []
    time: datetime | None = datetime(2024, 1, 1, tzinfo=UTC)
    while len(found) < _SOME and time is not None:
        time = cron.following(times, time)
        found += [] if time is None else [time]
    return min((b - a for a, b in pairwise(found)), default=None)


RULE = Rule(
    code="job-often",
    severity=Severity.ADVISE,
    title="A job does not run every few minutes",
    message="The job is due again after {minutes} min: each run is a container that is made and removed.",
    instead="Run it less often; or write a service that runs all the time and waits by itself between its rounds.",
    why="To make a container, start it and take it away costs the engine most of a second, for a program that may do its work "
    "in less; and the history of a job, its last runs, covers an hour instead of weeks.",
    example="""
        services:
          poll:
            image: alpine:3.20
            x-spin: {schedule: "* * * * *", timeout: 1m}
    """,
    fixed="""
        services:
          poll:
            image: alpine:3.20
            x-spin: {schedule: "*/10 * * * *", timeout: 1m}
    """,
    find=_find,
)
