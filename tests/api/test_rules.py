"""The rules over HTTP: which there are on this site, and the page of each."""

from __future__ import annotations

from spin.rules import catalogue, read_site
from support.api import World


async def test_the_rules_are_listed_with_how_severe_they_are_here(world: World) -> None:
    await world.exchange(site=read_site('id = "t-api"\n[rules.latest]\nseverity = "off"'))
    listed = {rule["code"]: rule for rule in (await world.as_("vera").get("/rules")).json()}
    assert list(listed) == list(catalogue())
    assert listed["latest"]["severity"] == "off"
    assert listed["privileged"] == {
        "code": "privileged",
        "severity": "refuse",
        "title": "A container is never privileged.",
        "page": "/rules/privileged",
    }


async def test_a_rules_page_is_there_for_anybody(world: World) -> None:
    answer = await world.as_("").get("http://spin.test/rules/privileged")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# `privileged`: A container is never privileged\n")


async def test_a_rule_that_does_not_exist_is_not_found_with_one_that_looks_like_it(world: World) -> None:
    answer = await world.as_("").get("http://spin.test/rules/priviledged")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "privileged" in answer.json()["detail"]
