"""Use of resources: what lies between two looks, steps put together, and whether limits fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.usage import STEP, Sample, Usage
from spin.plan.usage import advice, coarser, merge, reading, step_of, summed

KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))
NOW = datetime(2030, 5, 1, 12, 3, 20, tzinfo=UTC)
MIB = 2**20


def sample(seconds: float = 0, **more: Any) -> Sample:
    values: dict[str, Any] = {"service": "web", "slot": 1, "id": InstanceId("c1"), "container": "shop-web-1", **more}
    return Sample(KEY, time=NOW + timedelta(seconds=seconds), **values)


def use(n: int = 0, **more: Any) -> Usage:
    """The n-th step, of one sample."""
    values: dict[str, Any] = {"service": "web", "samples": 1, "containers": 1} | more
    return Usage(KEY, start=step_of(NOW) + n * STEP, **values)


def day(**more: Any) -> list[Usage]:
    return [use(n, **more) for n in range(48)]


def test_a_reading_is_what_was_used_since_the_look_before() -> None:
    first = sample(cpu_ns=10**9, received=100, periods=10, throttled=1)
    found = reading(first, sample(10, cpu_ns=6 * 10**9, received=350, periods=30, throttled=11))
    assert (found.cpu, found.seconds, found.received) == (0.5, 10, 250)
    assert (found.periods, found.throttled) == (20, 10)


def test_a_first_look_a_new_container_and_a_clock_that_stands_tell_no_speed() -> None:
    assert reading(None, sample()).cpu is None
    assert reading(sample(id=InstanceId("c0")), sample(10)).cpu is None
    assert reading(sample(), sample()).cpu is None


def test_a_counter_that_begins_again_counts_from_its_new_beginning() -> None:
    assert reading(sample(cpu_ns=10**12, sent=900), sample(10, cpu_ns=10**9, sent=7)).sent == 7
    assert reading(sample(cpu_ns=10**12), sample(10, cpu_ns=10**9)).cpu == pytest.approx(0.1)


def test_steps_begin_at_whole_multiples() -> None:
    assert step_of(NOW) == datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
    assert step_of(NOW, timedelta(hours=6)) == datetime(2030, 5, 1, 12, 0, tzinfo=UTC)


def test_a_round_counts_the_containers_of_a_service_and_keeps_the_extremes_of_each() -> None:
    pairs = [
        reading(sample(), sample(10, cpu_ns=2 * 10**9, memory=30, sent=5)),
        reading(
            sample(id=InstanceId("c2")), sample(10, id=InstanceId("c2"), cpu_ns=4 * 10**9, memory=50, sent=6, memory_limit=99)
        ),
    ]
    (found,) = summed(pairs)
    assert (found.containers, found.samples, found.sent) == (2, 2, 11)
    assert (found.cpu_min, found.cpu_avg, found.cpu_max) == (200, 300, 400)
    assert (found.memory_min, found.memory_avg, found.memory_max, found.memory_limit) == (30, 40, 50, 99)


def test_merging_weighs_averages_and_adds_traffic() -> None:
    old = use(samples=3, cpu_avg=100, cpu_min=50, cpu_max=400, memory_avg=10, received=5, failed=2)
    new = use(samples=1, cpu_avg=500, cpu_min=500, cpu_max=500, memory_avg=50, received=7, failed=4, containers=2)
    both = merge(old, new)
    assert (both.samples, both.cpu_avg, both.cpu_min, both.cpu_max) == (4, 200, 50, 500)
    assert (both.memory_avg, both.received, both.containers) == (20, 12, 2)
    assert both.failed == 6


def test_failures_without_samples_change_no_other_number() -> None:
    only = use(samples=0, containers=0, failed=3)
    assert merge(use(cpu_min=50, cpu_max=60), only) == use(cpu_min=50, cpu_max=60, failed=3)
    assert merge(only, use(cpu_min=50, cpu_max=60)) == use(cpu_min=50, cpu_max=60, failed=3)


def test_longer_steps_are_the_same_use() -> None:
    steps = [use(n, cpu_max=n, received=1) for n in range(24)]
    hours = coarser(reversed(steps), timedelta(hours=1))
    assert [(u.start.minute, u.samples, u.cpu_max, u.received) for u in hours] == [(0, 12, 11, 12), (0, 12, 23, 12)]


@pytest.mark.parametrize(
    ("limit", "peak", "write"),
    [
        (2048, 100, "memory: 192M"),
        (2048, 10, "memory: 64M"),
        (256, 240, "memory: 384M"),
    ],
)
def test_a_memory_limit_far_from_use_is_told_with_what_to_write(limit: int, peak: int, write: str) -> None:
    (found,) = advice(day(memory_limit=limit * MIB, memory_max=peak * MIB))
    (misfit,) = found.misfits
    assert (misfit.verdict, misfit.write) == ("below" if peak > limit / 2 else "above", write)
    assert misfit.write in misfit.message
    assert f"{peak}M" in misfit.message


@pytest.mark.parametrize(("limit", "peak"), [(400, 100), (200, 10), (256, 128), (1000, 890), (0, 5000)])
def test_a_memory_limit_that_fits_or_is_small_or_none_is_left_alone(limit: int, peak: int) -> None:
    (found,) = advice(day(memory_limit=limit * MIB, memory_max=peak * MIB))
    assert found.enough
    assert found.misfits == ()


def test_processor_time_is_too_little_where_it_is_held_back_and_too_much_where_it_idles() -> None:
    (held,) = advice(day(cpu_limit=1000, cpu_max=900, periods=100, throttled=20))
    assert (held.misfits[0].verdict, held.misfits[0].write) == ("below", 'cpus: "1.5"')
    (idle,) = advice(day(cpu_limit=2000, cpu_max=40, periods=100, throttled=0))
    assert (idle.misfits[0].verdict, idle.misfits[0].write) == ("above", 'cpus: "0.25"')
    (well,) = advice(day(cpu_limit=2000, cpu_max=900))
    assert well.misfits == ()


def test_advice_waits_until_enough_is_remembered() -> None:
    (found,) = advice(day(memory_limit=2048 * MIB, memory_max=MIB)[:35])
    assert not found.enough
    assert found.misfits == ()
    assert found.hours == pytest.approx(35 / 12)
    assert advice([]) == ()


def test_what_an_earlier_limit_did_is_of_no_account() -> None:
    before = [replace(u, memory_limit=64 * MIB, memory_max=63 * MIB) for u in day()[:40]]
    after = [replace(u, memory_limit=256 * MIB, memory_max=100 * MIB) for u in day()[40:]]
    (found,) = advice([*after, *before])
    assert found.misfits == ()
