"""Revisions over the API, and what differs between them."""

from __future__ import annotations

from typing import Any

from support.api import World, path, web
from support.upgraded import mode, post, upgraded


async def test_revisions_say_what_they_are_who_made_them_and_what_they_changed(world: World) -> None:
    await upgraded(world, "fast")
    await post(world, "scale", person="otto", replicas={"web": 2})
    await world.settle()
    await world.up(services=mode("slow", deploy={"replicas": 2}) | {"db": web()}, note="with a database")
    listed = (await world.as_("vera").get(path("shop") + "/revisions")).json()
    shown = [(r["number"], r["origin"], r["author"], r["desired"], r["confirmed"], r["changed"]) for r in listed]
    assert shown == [
        (3, "up", "dora", True, False, ["+db", "web: environment.MODE"]),
        (2, "scale", "otto", False, True, ["web: replicas"]),
        (1, "up", "dora", False, False, ["+web", "+default"]),
    ]
    assert listed[0]["note"] == "with a database"
    two = (await world.as_("vera").get(path("shop") + "/revisions?last=2")).json()
    assert two == listed[:2]
    assert (await world.as_("vera").get(path("shop") + "/revisions?last=0")).status_code == 422


async def test_diff_compares_what_one_would_ask_for(world: World) -> None:
    async def diff(query: str = "") -> Any:
        return (await world.as_("vera").get(f"{path('shop')}/diff{query}")).json()

    def modes(found: Any) -> tuple[Any, ...]:
        [service] = found["changes"]["services"]
        keys = {k["key"]: (k["old"], k["new"]) for k in service["keys"]}
        return found["old"], found["new"], *keys.get("environment.MODE", ())

    await upgraded(world, "one")
    only = await diff()
    assert (only["old"], only["new"], only["changes"]["services"][0]["action"]) == (0, 1, "add")
    for value in ("two", "three"):
        await world.up(services=mode(value))
        await world.settle()
    assert modes(await diff()) == (1, 3, "one", "three"), "against the confirmed one while it is unconfirmed"
    await post(world, "confirm")
    assert modes(await diff()) == (2, 3, "two", "three"), "else against the one before"
    assert modes(await diff("?old=1")) == (1, 3, "one", "three")
    assert modes(await diff("?old=2&new=1")) == (2, 1, "two", "one")
    assert modes(await diff("?old=2&new=2")) == (2, 2)
    assert (await diff("?old=9"))["code"] == "not-found"
    assert (await diff("?new=2"))["code"] == "invalid-input"


async def test_neither_revisions_nor_differences_show_what_looks_like_a_secret(world: World) -> None:
    for value in ("hunter2", "hunter3"):
        await world.up(services={"web": web(environment={"DB_PASSWORD": value, "URL": f"mysql://app:{value}@db/shop"})})
    for what in ("revisions", "diff"):
        answer = await world.as_("vera").get(f"{path('shop')}/{what}")
        assert answer.is_success
        assert "hunter" not in answer.text
