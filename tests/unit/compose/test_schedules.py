"""`x-spin: {schedule: …}`: a service that runs as a job."""

from __future__ import annotations

import pytest

from spin.compose import render
from spin.model.stack import Overlap, Restart, Schedule
from support.compose import complaint, loaded, lowered, service, service_text


@pytest.mark.parametrize(
    ("keys", "schedule"),
    [
        ('schedule: "15 3 * * *"', Schedule("15 3 * * *")),
        ("schedule: '@daily'", Schedule("0 0 * * *")),
        (
            'schedule: "0 * * * *", overlap: replace, timeout: 1h30m, keep: 0',
            Schedule("0 * * * *", Overlap.REPLACE, 5_400_000, 0),
        ),
    ],
)
def test_a_job_says_when_it_runs_and_how_its_runs_go(keys: str, schedule: Schedule) -> None:
    found = service(f"x-spin: {{{keys}}}")
    assert found.schedule == schedule
    assert lowered(loaded(render(lowered(loaded(service_text(f"x-spin: {{{keys}}}")))))).services[0].schedule == schedule


@pytest.mark.parametrize(
    ("keys", "restart"),
    [("", Restart.NO), ("restart: on-failure:2\n", Restart.ON_FAILURE), ("restart: always\n", Restart.ALWAYS)],
)
def test_a_run_ends_unless_its_author_says_otherwise(keys: str, restart: Restart) -> None:
    """`always` is refused by the rule `job-form`."""
    assert service(f'{keys}x-spin: {{schedule: "15 3 * * *"}}').restart is restart


def test_what_has_no_schedule_is_no_job() -> None:
    assert service("x-spin: {http: 80}").schedule is None
    assert service("restart: 'no'").schedule is None


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ('schedule: "15 3 * *"', "a schedule has five fields, and this one 4"),
        ('schedule: "0 15 3 * * *"', "a job runs once a minute at most"),
        ("schedule: [1]", "x-spin.schedule"),
        ('schedule: "* * * * *", overlap: queue', "write one of skip, replace, allow"),
        ('schedule: "* * * * *", timeout: 1ms', "a second at least"),
        ('schedule: "* * * * *", keep: 21', "20"),
        ("timeout: 1h", "the service has no `schedule`"),
        ("overlap: skip", "the service has no `schedule`"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_with_what_to_write(keys: str, says: str) -> None:
    assert says in complaint(service_text(f"x-spin: {{{keys}}}"))
