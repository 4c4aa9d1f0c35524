"""Events in the store: found as written, by what is asked for, in order; forgotten by age and number; scoped by project."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from spin.model.event import LONGEST, Caller, Event, EventQuery, Kind
from spin.store import SqlStore
from support.stored import NOW

CALLER = Caller("192.0.2.7", "spin/1 ☃", "k1", "0123456789")


def event(text: str = "web: healthy", **changes: Any) -> Event:
    values: dict[str, Any] = {"time": NOW, "kind": Kind.STATE, "text": text, "project": "physics", "environment": "development"}
    return Event(**values | {"stack": "shop", "service": "web"} | changes)


async def _texts(store: SqlStore, query: EventQuery) -> list[str]:
    async with store.begin() as work:
        return [e.text for e in await work.events(query)]


async def _write(store: SqlStore, *events: Event) -> None:
    async with store.begin(write=True) as work:
        await work.add_events(events)


async def test_an_event_is_found_as_it_was_written_with_a_number(store: SqlStore) -> None:
    written = event(
        cause="because\nof 🦋", actor="ann", verb="up", container="shop-web-1", revision=7, code="refused", caller=CALLER
    )
    await _write(store, written)
    async with store.begin() as work:
        (found,) = await work.events(EventQuery("physics"))
        assert await work.newest_event() == found.number
    assert found.number > 0
    assert replace(found, number=0) == written


async def test_the_newest_come_in_their_order_and_what_follows_a_number_comes_from_the_earliest_on(store: SqlStore) -> None:
    await _write(store, *(event(str(n)) for n in range(10)))
    assert await _texts(store, EventQuery("physics", last=3)) == ["7", "8", "9"]
    async with store.begin() as work:
        numbers = [e.number for e in await work.events(EventQuery("physics"))]
    assert numbers == sorted(set(numbers))
    assert await _texts(store, EventQuery("physics", after=numbers[4], last=3)) == ["5", "6", "7"]
    assert await _texts(store, EventQuery("physics", after=numbers[-1])) == []


async def test_each_part_of_a_question_narrows_it_and_no_project_sees_another(store: SqlStore) -> None:
    await _write(
        store,
        event("mine"),
        event("other project", project="biology"),
        event("other environment", environment="production"),
        event("other stack", stack="lab"),
        event("other service", service="db"),
        event("other kind", kind=Kind.REFUSED, actor="ann"),
        event("later", time=NOW + timedelta(hours=1)),
        event("of the site", project=None, environment=None, stack=None, service=None),
    )

    async def left_out(**asked: Any) -> set[str]:
        every = set(await _texts(store, EventQuery("physics")))
        return every - set(await _texts(store, replace(EventQuery("physics"), **asked)))

    assert "other project" not in await _texts(store, EventQuery("physics"))
    assert "of the site" not in await _texts(store, EventQuery("physics"))
    assert len(await _texts(store, EventQuery())) == 8
    assert await left_out(environment="development") == {"other environment"}
    assert await left_out(stack="shop") == {"other stack"}
    assert await left_out(service="web") == {"other service"}
    assert await left_out(until=NOW + timedelta(minutes=1)) == {"later"}
    assert await left_out(kinds=frozenset({Kind.STATE})) == {"other kind"}
    assert await _texts(store, EventQuery("physics", actor="ann")) == ["other kind"]
    assert await _texts(store, EventQuery("physics", since=NOW + timedelta(minutes=1))) == ["later"]


async def test_a_long_text_is_cut(store: SqlStore) -> None:
    await _write(store, event("x" * 10_000, cause="y" * 10_000))
    async with store.begin() as work:
        (found,) = await work.events(EventQuery("physics"))
    assert (len(found.text), len(found.cause)) == (LONGEST, LONGEST)


async def test_what_is_old_and_what_is_too_many_is_forgotten_the_audit_later_than_the_rest(store: SqlStore) -> None:
    day = timedelta(days=1)
    await _write(
        store,
        event("old", time=NOW - 40 * day),
        event("old wish", time=NOW - 40 * day, kind=Kind.ACCEPTED),
        event("very old wish", time=NOW - 400 * day, kind=Kind.REFUSED),
        *(event(f"busy {n}", stack="busy") for n in range(8)),
        *(event(f"busy wish {n}", stack="busy", kind=Kind.ACCEPTED) for n in range(8)),
        event("quiet", stack="quiet"),
        event("elsewhere", stack="busy", project="biology"),
    )
    async with store.begin(write=True) as work:
        gone = await work.forget_events(before=NOW - 30 * day, audit_before=NOW - 365 * day, most=3)
    left = await _texts(store, EventQuery(last=1000))
    assert gone == 2 + 5
    assert [t for t in left if "wish" not in t] == ["busy 5", "busy 6", "busy 7", "quiet", "elsewhere"]
    assert "old wish" in left
    assert "very old wish" not in left
    assert sum(t.startswith("busy wish") for t in left) == 8


async def test_a_number_is_not_given_out_again_when_the_newest_events_are_forgotten(store: SqlStore) -> None:
    await _write(store, event("a"), event("b"))
    async with store.begin(write=True) as work:
        before = await work.newest_event()
        await work.forget_events(before=NOW + timedelta(1), audit_before=NOW, most=10)
        await work.add_events([event("c")])
        assert await work.newest_event() > before
