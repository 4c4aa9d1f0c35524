"""A command that follows a stack stops waiting when nothing moves but what fails again and again."""

from __future__ import annotations

import pytest

from spin.cli.progress import is_stuck


def view(**states: tuple[str, str]) -> dict[str, object]:
    return {"services": [{"name": name, "state": state, "detail": detail} for name, (state, detail) in states.items()]}


@pytest.mark.parametrize(
    ("services", "stuck"),
    [
        ({"web": ("healthy", "")}, False),
        ({"web": ("initializing", "being created")}, False),
        ({"web": ("unhealthy", "exited with 1, restarted 3 times")}, True),
        ({"web": ("unhealthy", "exited with 1"), "db": ("healthy", "")}, True),
        ({"web": ("unhealthy", "exited with 1"), "db": ("initializing", "starting")}, False),
        ({"web": ("initializing", "waiting for db to be healthy"), "db": ("unhealthy", "health check: no")}, True),
        ({"web": ("initializing", "waiting for db to be healthy"), "db": ("initializing", "starting")}, False),
        ({"web": ("failed", "exited with 3"), "db": ("upgrading", "being started")}, False),
    ],
)
def test_a_stack_is_stuck_when_all_that_is_open_fails_or_waits_for_what_fails(
    services: dict[str, tuple[str, str]], stuck: bool
) -> None:
    assert is_stuck(view(**services)) is stuck  # type: ignore[arg-type]
