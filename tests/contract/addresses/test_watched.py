"""A table that is watched, in a network namespace of its own: what is known of it, and who repairs it when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spin.addresses import events, watched
from spin.addresses.program import nft
from spin.addresses.watched import WatchedTable
from spin.errors import AddressesUnavailable
from support.bridges import apart, run

pytestmark = pytest.mark.usefixtures("usable")

NAME = "spin-watched"


def whole(marker: str) -> str:
    return f"add table inet {NAME}\ndelete table inet {NAME}\nadd table inet {NAME}\nadd chain inet {NAME} {marker}\n"


def in_place(marker: str) -> str:
    return f"add chain inet {NAME} {marker}\n"


def known_intact(table: WatchedTable) -> bool:
    table.hear()
    return table.intact


def disturb() -> None:
    run("nft", "add", "chain", "inet", NAME, "foreign")


@asynccontextmanager
async def opened() -> AsyncIterator[WatchedTable]:
    table = WatchedTable("inet", NAME)
    table.open()
    try:
        yield table
    finally:
        await table.close()


def test_a_table_is_intact_when_it_was_written_and_until_somebody_else_changes_it() -> None:
    async def work() -> None:
        async with opened() as table:
            assert not known_intact(table)
            await table.write(whole, anew=True)
            assert known_intact(table)
            await table.write(in_place, anew=False)
            assert known_intact(table)
            disturb()
            assert not known_intact(table)

    apart(work)


@pytest.mark.parametrize("kind", ["a table of the other family", "another table"])
def test_what_happens_elsewhere_does_not_matter(kind: str) -> None:
    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            run("nft", "add", "table", *(("ip", NAME) if kind == "a table of the other family" else ("inet", f"{NAME}-2")))
            assert known_intact(table)

    apart(work)


def test_a_change_in_place_does_not_hide_what_somebody_else_did_before_it_and_a_whole_writing_mends_it() -> None:
    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            disturb()
            await table.write(in_place, anew=False)
            assert not known_intact(table)
            await table.write(whole, anew=True)
            assert known_intact(table)
            assert "foreign" not in run("nft", "list", "table", "inet", NAME)

    apart(work)


def test_a_change_that_comes_right_after_the_writing_is_noticed_though_both_are_heard_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nft_and_somebody_else(*arguments: str, stdin: str) -> str:
        told = await nft(*arguments, stdin=stdin)
        disturb()
        return told

    monkeypatch.setattr(watched, "nft", nft_and_somebody_else)

    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            assert not table.intact

    apart(work)


def test_after_a_writing_that_was_refused_nothing_is_certain() -> None:
    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            with pytest.raises(AddressesUnavailable):
                await table.write(lambda marker: f"add rule inet {NAME} {marker} nonsense\n", anew=True)
            assert not table.intact

    apart(work)


def test_events_that_the_kernel_could_not_hand_over_are_told_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BUFFER", 1)  # the kernel makes it some two kilobytes

    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            for _ in range(20):
                run("nft", "add", "table", "inet", "another")
                run("nft", "delete", "table", "inet", "another")
            table.hear()
            assert table.lost
            assert not table.intact

    apart(work)


def repaired(table: WatchedTable, *, refusals: int, every: float) -> Coroutine[Any, Any, None]:
    """Keeps the table with a look that fails so many times when there is something to repair; ends when it was repaired."""
    done, left = asyncio.Event(), refusals

    async def look() -> None:
        nonlocal left
        if table.intact:
            return
        if left:
            left -= 1
            raise AddressesUnavailable("not now")
        await table.write(whole, anew=True)
        done.set()

    table.keep(look, every)

    async def wait() -> None:
        async with asyncio.timeout(10):
            await done.wait()

    return wait()


def test_a_table_that_is_kept_is_repaired_when_it_was_disturbed_without_waiting_for_the_next_look() -> None:
    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            waiting = repaired(table, refusals=0, every=3600)
            disturb()
            await waiting
            assert table.intact

    apart(work)


def test_a_repair_that_failed_is_tried_again_before_the_next_look_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "BREATH", 0.01)
    monkeypatch.setattr(watched, "AGAIN", 0.01)

    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
            waiting = repaired(table, refusals=3, every=3600)
            disturb()
            await waiting
            assert table.intact

    apart(work)


def test_a_mistake_in_looking_does_not_end_the_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "BREATH", 0.01)

    async def work() -> None:
        looks = 0
        again = asyncio.Event()

        async def look() -> None:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise ZeroDivisionError
            again.set()

        async with opened() as table:
            await table.write(whole, anew=True)
            table.keep(look, every=0.01)
            await asyncio.wait_for(again.wait(), 10)

    apart(work)


def test_who_closes_it_leaves_the_table_and_who_removes_it_does_not() -> None:
    async def work() -> None:
        async with opened() as table:
            await table.write(whole, anew=True)
        assert NAME in run("nft", "list", "tables")
        assert not table.opened
        with pytest.raises(AddressesUnavailable, match="not open"):
            table.hear()
        await table.remove()
        await table.remove()
        assert run("nft", "list", "tables") == ""

    apart(work)
