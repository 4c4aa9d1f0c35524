"""The last looks at what containers use: everybody who asks gets a speed, however many ask at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.usage import Sample
from spin.usecases.meter import Meter

KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))
NOW = datetime(2030, 5, 1, tzinfo=UTC)


def at(seconds: float) -> list[Sample]:
    """A container that always uses half a core."""
    return [Sample(KEY, "web", 1, InstanceId("c"), "shop-web-1", NOW + timedelta(seconds=seconds), cpu_ns=int(seconds * 5e8))]


def cpu(meter: Meter, seconds: float) -> float | None:
    (found,) = meter.look(at(seconds))
    return found.cpu


def test_the_second_look_tells_the_speed() -> None:
    meter = Meter()
    assert cpu(meter, 0) is None
    assert cpu(meter, 0.1) is None
    assert cpu(meter, 0.6) == pytest.approx(0.5)


def test_a_look_that_was_overtaken_tells_it_too() -> None:
    meter = Meter()
    cpu(meter, 0)
    cpu(meter, 2.01)
    assert cpu(meter, 2.0) == pytest.approx(0.5)


def test_the_rounds_serve_the_first_who_asks_but_not_when_they_are_long_ago() -> None:
    meter = Meter()
    meter.round(at(0))
    assert cpu(meter, 30) == pytest.approx(0.5)
    late = Meter()
    late.round(at(0))
    assert cpu(late, 600) is None


def test_looks_take_nothing_from_the_rounds() -> None:
    meter = Meter()
    meter.round(at(0))
    cpu(meter, 59)
    (found,) = meter.round(at(60))
    assert found.seconds == 60
    assert meter.rounds == (found,)
