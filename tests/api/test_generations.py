"""Changes over the API by several people at once: who is overtaken is told so, and changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from spin.api import build
from spin.store import open_store, sqlite_url
from support.api import World, key_of, path, submission
from support.upgraded import deployment, mode, post, upgraded


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("confirm", {}),
        ("rollback", {}),
        ("rollback", {"to": 1}),
        ("start", {}),
        ("stop", {}),
        ("restart", {}),
        ("scale", {"replicas": {"web": 2}}),
        ("promote", {"to": "development"}),
    ],
)
async def test_a_change_that_is_meant_for_another_generation_is_told_so(world: World, verb: str, body: Any) -> None:
    await upgraded(world)
    source = path("shop")
    if verb == "promote":  # the generation is that of the stack there
        source = path("shop", environment="sandbox")
        assert (await world.up(services=mode("slow"), environment="sandbox")).is_success
        await world.up(services=mode("slower"), environment="sandbox")
    before = await world.rows()
    generation = (await deployment(world)).generation
    stale = await world.as_("dora").post(f"{source}/{verb}", json=body | {"expect_generation": generation - 1})
    assert stale.status_code == 409
    assert f"has changed meanwhile (generation {generation}, not {generation - 1})" in stale.json()["detail"]
    assert stale.json()["fields"] == {"expected": generation - 1, "generation": generation}
    assert await world.rows() == before
    assert (await deployment(world)).generation == generation
    right = await world.as_("dora").post(f"{source}/{verb}", json=body | {"expect_generation": generation})
    assert right.is_success, right.text


async def test_a_removal_that_is_meant_for_another_generation_is_told_so(world: World) -> None:
    await upgraded(world, "fast")
    assert (await world.as_("dora").delete(path("shop") + "?expect_generation=0")).status_code == 409
    assert (await world.as_("dora").delete(path("shop") + "?expect_generation=1")).status_code == 202


async def test_of_many_changes_at_once_for_one_generation_exactly_one_happens(world: World) -> None:
    await upgraded(world)
    before = await world.rows()
    generation = (await deployment(world)).generation
    answers = await asyncio.gather(
        world.up(services=mode("a"), expect_generation=generation),
        world.up(services=mode("b"), expect_generation=generation),
        post(world, "rollback", expect_generation=generation),
        post(world, "confirm", expect_generation=generation),
        post(world, "scale", replicas={"web": 2}, expect_generation=generation),
        post(world, "stop", expect_generation=generation),
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409, 409]
    assert all("changed meanwhile" in a.json()["detail"] for a in answers if a.status_code == 409)
    after = await deployment(world)
    assert after.generation == generation + 1
    assert (await world.rows())["revisions"] - before["revisions"] == after.revision - 2, "no revision that nothing points at"


async def test_of_two_ups_from_two_platforms_on_one_store_one_wins_and_nothing_is_half_applied(
    world: World, tmp_path: Path
) -> None:
    # Two connections to the database, as from two processes: nothing but the store stands between them.
    await upgraded(world, "fast")
    headers = {"Authorization": f"Bearer {world.keys['otto']}"}
    async with await open_store(sqlite_url(tmp_path / "spin.db"), bytes(32)) as second:
        app = build(replace(world.platform, store=second))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://spin.test/api/v1", headers=headers) as other:
            for number in range(2, 8):
                expected = {"expect_generation": (await deployment(world)).generation}
                theirs = {"submission": submission(mode(f"theirs-{number}")), **expected}
                answers = await asyncio.gather(
                    world.up(services=mode(f"ours-{number}"), **expected), other.put(path("shop"), json=theirs)
                )
                assert sorted(a.status_code for a in answers) == [200, 409]
                [lost] = [a.json() for a in answers if a.status_code == 409]
                assert "meanwhile" in lost["detail"]
                [won] = [a.json() for a in answers if a.status_code == 200]
                assert (won["revision"], won["base"]) == (number, 1)
                async with second.begin() as work:
                    revisions = await work.revisions(key_of("shop"))
                    there = await work.deployment(key_of("shop"))
                assert [r.number for r in revisions] == list(range(1, number + 1))
                assert there is not None
                assert (there.revision, there.generation) == (number, won["generation"])


async def test_a_rollback_that_is_overtaken_while_it_looks_for_images_writes_nothing(world: World) -> None:
    await upgraded(world, "one", "two")
    await post(world, "confirm")
    await world.settle()
    observe = world.engine.observe

    async def slow(*arguments: Any) -> Any:
        await world.up(services=mode("three"))
        return await observe(*arguments)

    world.engine.observe = slow  # type: ignore[method-assign]
    answer = await post(world, "rollback", to=1)
    world.engine.observe = observe  # type: ignore[method-assign]
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.json()["detail"]
    assert (await deployment(world)).revision == 3
    assert (await world.rows())["revisions"] == 3
