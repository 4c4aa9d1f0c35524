"""The work queue: each key once, one worker a key, delays and back-off."""

import asyncio
from datetime import timedelta

from spin.reconcile.queue import WorkQueue


async def test_a_key_added_twice_is_handed_out_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.take() == "a"
    assert len(queue) == 0


async def test_a_key_added_while_it_is_held_is_handed_out_again_afterwards_only() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    held = await queue.take()
    queue.add("a")
    queue.add("b")
    assert await queue.take() == "b"
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(held)
    assert await waiting == "a"


async def test_a_delayed_key_does_not_hold_up_another() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("late", timedelta(hours=1))
    queue.add("now")
    assert await queue.take() == "now"


async def test_an_earlier_date_wins_over_a_later_one() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", timedelta(hours=1))
    queue.add("a")
    async with asyncio.timeout(5):
        assert await queue.take() == "a"


async def test_a_hint_wakes_a_worker_that_waits_for_a_delayed_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", timedelta(hours=1))
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    async with asyncio.timeout(5):
        assert await waiting == "a"


async def test_failures_are_tried_again_later_each_time_and_success_forgets_them() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waits = [queue.failed("a") for _ in range(8)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(milliseconds=500)
    assert waits[-1] == timedelta(seconds=30)
    assert queue.failures("a") == 8
    queue.done("a")
    assert queue.failures("a") == 0


async def test_forgiving_hands_out_everything_that_waits_now() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(10):
        queue.failed("a")
    queue.forgive()
    async with asyncio.timeout(5):
        assert await queue.take() == "a"
    assert queue.failures("a") == 0
