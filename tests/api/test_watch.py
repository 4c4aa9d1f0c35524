"""Waiting for news, and reading logs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spin.usecases import stacks
from support.api import World, eventually, key_of, path, web

PATIENCE = 5.0
"""Seconds in which every answer of these tests must have come; the waits asked for are longer."""


async def token(world: World) -> str:
    return str((await world.as_("vera").get(path("shop"))).json()["token"])


def watch(world: World, seen: str, wait: float = 20) -> asyncio.Task[Any]:
    return asyncio.create_task(world.as_("vera").get(path("shop"), params={"seen": seen, "wait": wait}))


async def waiting(world: World, count: int = 1) -> None:
    """Until that many requests wait for news of the stack."""
    waiters = world.platform.notifier._waiting
    await eventually(f"{count} waiting", lambda: len(waiters.get(key_of("shop"), ())) == count, PATIENCE)


async def test_a_watcher_is_answered_when_something_changes_and_not_before(world: World) -> None:
    await world.up()
    seen = await token(world)
    watchers = [watch(world, seen) for _ in range(3)]
    await waiting(world, 3)
    assert not any(w.done() for w in watchers)
    await world.as_("dora").post(path("shop") + "/stop", json={})
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*watchers)
    assert {a.json()["generation"] for a in answers} == {2}
    assert world.platform.notifier._waiting == {}


async def test_a_watcher_follows_the_controller_to_the_end(world: World) -> None:
    await world.up(services={"web": web(x_spin={"http": 8080})})
    states: list[str] = []

    async def follow() -> None:
        seen = ""
        while not states or states[-1] != "healthy":
            view = (await watch(world, seen)).json()
            seen = view["token"]
            states.append(view["state"])

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(follow(), world.settle())
    assert states[-1] == "healthy"


async def test_another_token_is_answered_at_once(world: World) -> None:
    await world.up()
    async with asyncio.timeout(PATIENCE):
        assert (await watch(world, "something-older")).status_code == 200


async def test_without_news_the_same_view_comes_when_the_time_is_over(world: World) -> None:
    await world.up()
    seen = await token(world)
    answer = await watch(world, seen, wait=0.05)
    assert (answer.status_code, answer.json()["token"]) == (200, seen)


async def test_a_change_that_nobody_told_of_is_seen_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "LOOK_EVERY", 0.05)
    await world.up()
    watcher = watch(world, await token(world))
    await waiting(world)
    async with world.store.begin(write=True) as work:
        deployment = await work.deployment(key_of("shop"))
        assert deployment is not None
        await work.save_deployment(deployment)
    async with asyncio.timeout(PATIENCE):
        assert (await watcher).json()["generation"] == 2


async def test_a_stack_that_vanishes_under_the_watcher_is_answered_once_as_removed(world: World) -> None:
    await world.up()
    await world.settle()
    await world.as_("dora").delete(path("shop"))
    watcher = watch(world, await token(world))
    await waiting(world)
    async with world.store.begin(write=True) as work:
        await work.delete_deployment(key_of("shop"))
    world.platform.notifier.poke(key_of("shop"))
    async with asyncio.timeout(PATIENCE):
        view = (await watcher).json()
    assert (view["state"], view["settled"], view["containers"]) == ("removed", True, [])
    assert (await watch(world, view["token"])).status_code == 404


async def test_when_the_platform_goes_down_all_who_wait_are_answered(world: World) -> None:
    await world.up()
    seen = await token(world)
    watcher = watch(world, seen)
    await waiting(world)
    world.platform.notifier.close()
    async with asyncio.timeout(PATIENCE):
        assert (await watcher).json()["token"] == seen
        assert (await watch(world, seen)).json()["token"] == seen
