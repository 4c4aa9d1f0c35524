"""The work queue: each key once, one worker a key, delays and back-off, fairness."""

import asyncio
import random
from datetime import timedelta

import pytest

from spin.reconcile.queue import HEAD_START, WorkQueue

HOUR = timedelta(hours=1)


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


async def test_a_key_added_while_it_is_held_keeps_the_earlier_of_two_dates() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    held = await queue.take()
    queue.add("a")
    queue.done(held, again=HOUR)
    async with asyncio.timeout(5):
        assert await queue.take() == "a"


async def test_a_delayed_key_does_not_hold_up_another() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("late", HOUR)
    queue.add("now")
    assert await queue.take() == "now"


async def test_an_earlier_date_wins_over_a_later_one_and_the_later_one_is_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", timedelta(milliseconds=50))
    queue.add("a")
    queue.add("a", HOUR)
    async with asyncio.timeout(5):
        assert await queue.take() == "a"
    queue.done("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await queue.take()


async def test_keys_come_when_they_are_due_and_in_that_order() -> None:
    queue: WorkQueue[int] = WorkQueue()
    numbers = list(range(20))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        queue.add(number, timedelta(milliseconds=100 + 10 * number))
    begun = asyncio.get_running_loop().time()
    assert [await queue.take() for _ in numbers] == sorted(numbers)
    assert asyncio.get_running_loop().time() - begun >= 0.29


async def test_a_hint_wakes_a_worker_that_waits_for_a_delayed_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", HOUR)
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    async with asyncio.timeout(5):
        assert await waiting == "a"


async def test_all_waiting_workers_get_a_key_when_many_come_at_once() -> None:
    queue: WorkQueue[int] = WorkQueue()
    workers = [asyncio.create_task(queue.take()) for _ in range(8)]
    await asyncio.sleep(0)
    for number in range(8):
        queue.add(number, timedelta(milliseconds=20))
    async with asyncio.timeout(5):
        assert sorted(await asyncio.gather(*workers)) == list(range(8))


async def test_a_worker_that_is_cancelled_when_it_was_just_called_takes_no_key_along() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    async with asyncio.timeout(5):
        assert await second == "a"
    assert first.cancelled()


async def test_a_worker_that_is_cancelled_is_not_called_any_more() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    first.cancel()
    queue.add("a")
    async with asyncio.timeout(5):
        assert await second == "a"


async def test_what_is_wanted_at_once_goes_before_a_round_over_everything() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for name in ("a", "b", "c"):
        queue.add(name, patient=True)
    queue.add("c")
    queue.add("urgent")
    assert [await queue.take() for _ in range(4)] == ["c", "urgent", "a", "b"]


async def test_keys_that_are_always_in_a_hurry_do_not_keep_a_patient_one_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    queue: WorkQueue[str] = WorkQueue()
    queue.add("patient", patient=True)
    queue.add("busy")
    taken = []
    for _ in range(8):
        taken.append(await queue.take())
        queue.done(taken[-1], timedelta(0) if taken[-1] == "busy" else None)
        now += HEAD_START.total_seconds() / 5
    assert taken.index("patient") == 6


async def test_of_many_that_were_due_together_the_first_is_brought_to_an_end_before_the_last_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    queue: WorkQueue[int] = WorkQueue()
    for number in range(10):
        queue.add(number)
        now += 0.001
    now += 3 * HEAD_START.total_seconds()  # for so long there was other work
    taken = []
    for _ in range(30):
        taken.append(await queue.take())
        queue.done(taken[-1], timedelta(0) if taken.count(taken[-1]) < 3 else None)
        now += HEAD_START.total_seconds() / 10
    assert taken == [number for number in range(10) for _ in range(3)]


async def test_failures_are_tried_again_later_each_time_and_success_forgets_them() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waits = [queue.failed("a") for _ in range(8)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(milliseconds=500)
    assert waits[-1] == timedelta(seconds=30)
    assert queue.failures("a") == 8
    queue.done("a")
    assert queue.failures("a") == 0


async def test_forgiving_hands_out_now_what_waits_and_what_does_not() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(10):
        queue.failed("a")
        queue.failed("other")
    queue.forgive(["a", "b"])
    async with asyncio.timeout(5):
        assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert queue.failures("a") == 0
    assert queue.failures("other") == 10


async def test_dates_that_were_overtaken_do_not_pile_up() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(1000):
        queue.add("a")
        queue.done(await queue.take(), HOUR)
    assert len(queue._order) < 300


async def test_many_waiting_keys_do_not_make_taking_one_slower() -> None:
    """Counted in looks at keys rather than seconds: a search through all of them would take a hundred thousand."""
    looks = 0

    class Number(int):
        def __hash__(self) -> int:
            nonlocal looks
            looks += 1
            return int(self)

    queue: WorkQueue[Number] = WorkQueue()
    for number in range(10_000):
        queue.add(Number(number), HOUR)
    looks = 0
    for number in range(10_000, 10_010):
        queue.add(Number(number))
        queue.done(await queue.take(), None)
    assert looks < 1000
