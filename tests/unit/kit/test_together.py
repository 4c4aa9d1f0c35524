"""A question that many ask at the same time is asked once."""

from __future__ import annotations

import asyncio

import pytest

from spin.kit.together import Together


async def test_all_who_ask_at_the_same_time_get_one_answer() -> None:
    together: Together[int] = Together()
    go, asked = asyncio.Event(), 0

    async def question() -> int:
        nonlocal asked
        asked += 1
        await go.wait()
        return asked

    waiting = [asyncio.create_task(together.ask(question)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # it takes the answer from nobody else
    go.set()
    assert [await each for each in waiting[1:]] == [1] * 49
    assert await together.ask(question) == 2


async def test_who_asks_after_a_failure_asks_anew() -> None:
    together: Together[str] = Together()

    async def failing() -> str:
        raise OSError

    async def good() -> str:
        return "well"

    with pytest.raises(OSError):  # noqa: PT011 - the question's own
        await together.ask(failing)
    assert await together.ask(good) == "well"
