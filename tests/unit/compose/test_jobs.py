"""Services that others wait for to complete."""

from __future__ import annotations

import pytest

from spin.compose import render
from spin.model.stack import Restart
from support.compose import stack

TEXT = """\
services:
  web:
    image: web
    depends_on:
      migrate: {{condition: {condition}}}
  migrate:
    image: migrate
    {keys}
"""


@pytest.mark.parametrize(
    ("condition", "keys", "restart"),
    [
        ("service_completed_successfully", "", Restart.NO),
        ("service_completed_successfully", "restart: on-failure", Restart.ON_FAILURE),
        ("service_completed_successfully", "restart: always", Restart.ALWAYS),
        ("service_healthy", "", Restart.UNLESS_STOPPED),
    ],
)
def test_what_others_wait_for_to_complete_runs_once_unless_it_says_otherwise(condition: str, keys: str, restart: Restart) -> None:
    spec = stack(TEXT.format(condition=condition, keys=keys))
    migrate = spec.service("migrate")
    assert migrate is not None
    assert migrate.restart is restart
    assert stack(render(spec)) == spec
