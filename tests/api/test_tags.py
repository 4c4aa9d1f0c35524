"""Whose a stack is: told by every view, filled in where the file does not say, kept when a colleague goes on."""

from __future__ import annotations

from spin.rules import read_site
from support.api import World, path, submission


async def tags(world: World, environment: str = "development") -> dict[str, str]:
    answer = await world.as_("vera").get(path("shop", environment=environment))
    listed = await world.as_("vera").get(path(environment=environment))
    found: dict[str, str] = answer.json()["tags"]
    assert [view["tags"] for view in listed.json()] == [found]
    return found


async def test_an_owner_who_is_not_named_is_whoever_brings_the_stack_up_first(world: World) -> None:
    await world.up(person="dora")
    assert await tags(world) == {"owner": "dora"}
    await world.up(person="otto", services={"web": {"image": "localhost:5000/lab/web:1", "environment": {"A": "b"}}})
    assert await tags(world) == {"owner": "dora"}, "a colleague who goes on is not the owner"


async def test_the_files_own_tags_count(world: World) -> None:
    await world.up(person="dora", **{"x-spin": {"tags": {"owner": "ann", "requires": ["scratch"]}}})
    assert await tags(world) == {"owner": "ann", "requires": "scratch"}


async def test_another_owner_is_a_revision_that_replaces_no_container(world: World) -> None:
    await world.up()
    answer = (await world.plan(**{"x-spin": {"tags": {"owner": "ann"}}})).json()
    assert answer["changes"]["stack"] == [{"key": "x-spin.tags.owner", "old": "dora", "new": "ann"}]
    assert [s["action"] for s in answer["changes"]["services"]] == ["unchanged"]
    assert (await world.plan()).json()["empty"] is True


async def test_tags_go_along_to_another_environment(world: World) -> None:
    await world.up(person="dora")
    assert (await world.as_("otto").post(path("shop") + "/promote", json={"to": "production"})).status_code == 200
    assert await tags(world, "production") == {"owner": "dora"}


async def test_a_site_that_asks_for_a_staff_owner_refuses_a_stack_without_one(world: World) -> None:
    await world.exchange(
        site=read_site(
            'id = "t-api"\n[rules.stack-tags]\nrequired = ["owner", "staff_owner"]\n[rules.no-limits]\nseverity = "off"'
        )
    )
    answer = await world.up()
    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    (found,) = answer.json()["fields"]["findings"]
    assert (found["rule"], found["key"]) == ("stack-tags", "x-spin.tags")
    checked = await world.as_("dora").post(path("shop") + "/check", json={"submission": submission()})
    assert [f["rule"] for f in checked.json()["findings"]] == ["stack-tags"]
    assert (await world.up(**{"x-spin": {"tags": {"staff_owner": "ben"}}})).status_code == 200
