"""Use of resources in the store: written over, found by stack, service and time, forgotten by age."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.usage import STEP, Usage
from spin.store import SqlStore
from support.stored import NOW

KEY = DeploymentKey(ProjectName("physics"), EnvironmentName("development"), StackName("shop"))
ONE = Usage(
    KEY,
    "web",
    NOW,
    *(1, 2, 3, 4, 5, 6, 7, 8),
    *(9, 10, 11, 2**40),
    *(2**50, 14, 15, 16),
    17,
)


async def write(store: SqlStore, *found: Usage) -> None:
    async with store.begin(write=True) as work:
        await work.save_usage(found)


async def test_use_is_found_as_it_was_written(store: SqlStore) -> None:
    await write(store)
    await write(store, ONE)
    async with store.begin() as work:
        assert await work.usage(KEY) == (ONE,)


async def test_the_same_step_is_written_over(store: SqlStore) -> None:
    await write(store, ONE, replace(ONE, service="db"))
    await write(store, replace(ONE, cpu_max=99))
    async with store.begin() as work:
        assert [(u.service, u.cpu_max) for u in await work.usage(KEY)] == [("db", 5), ("web", 99)]


async def test_stack_service_and_time_narrow_it_and_no_project_sees_another(store: SqlStore) -> None:
    other = replace(KEY, project=ProjectName("biology"))
    steps = [replace(ONE, start=NOW + n * STEP) for n in range(3)]
    await write(store, *steps, replace(ONE, service="db"), replace(ONE, key=other))
    async with store.begin() as work:
        assert await work.usage(KEY, service="web", since=NOW + STEP) == tuple(steps[1:])
        assert await work.usage(other) == (replace(ONE, key=other),)
        assert len(await work.usage_from(NOW + STEP)) == 2


async def test_it_is_forgotten_by_age(store: SqlStore) -> None:
    await write(store, ONE, replace(ONE, start=NOW + timedelta(hours=1)))
    async with store.begin(write=True) as work:
        assert await work.forget_usage(NOW + timedelta(minutes=1)) == 1
    async with store.begin() as work:
        assert [u.start for u in await work.usage(KEY)] == [NOW + timedelta(hours=1)]
