"""Upgrades over the API: when one begins, confirm, roll back, revisions and what differs between them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from spin.api import build
from spin.engines.simulated import Behaviour
from spin.model.revision import Deployment
from spin.store import open_store, sqlite_url
from support.api import DIGEST, LAB, OTHER_DIGEST, World, key_of, path, submission, web

SICK = Behaviour(ready_after=None, unhealthy_after=timedelta(seconds=1))
CONFIGURED: dict[str, Any] = {"top_secrets": {"p": {"file": "p.txt"}}}


def mode(value: str, **keys: Any) -> dict[str, Any]:
    return {"web": web(environment={"MODE": value}, x_spin={"http": 8080}, **keys)}


async def post(world: World, verb: str, person: str = "dora", **body: Any) -> httpx.Response:
    return await world.as_(person).post(f"{path('shop')}/{verb}", json=body)


async def show(world: World, environment: str = "development") -> Any:
    return (await world.as_("vera").get(path("shop", environment=environment))).json()


async def deployment(world: World) -> Deployment:
    async with world.store.begin() as work:
        found = await work.deployment(key_of("shop"))
    assert found is not None
    return found


async def running(world: World) -> set[str]:
    return {c["id"] for c in (await show(world))["containers"] if c["phase"] != "exited"}


async def upgraded(world: World, *values: str) -> list[str]:
    """A stack that was brought up with each of `values`; the ids of the first revision's containers."""
    first: list[str] = []
    for value in values or ("fast", "slow"):
        assert (await world.up(services=mode(value))).is_success
        await world.settle()
        first = first or sorted(await running(world))
    return first


async def test_an_up_over_a_revision_that_worked_is_an_upgrade_that_keeps_the_old_containers(world: World) -> None:
    old = await upgraded(world, "fast")
    assert (await show(world))["upgrade"] is None
    accepted = (await world.up(services=mode("slow"), note="slower")).json()
    assert (accepted["revision"], accepted["base"]) == (2, 1)
    begun = await show(world)
    assert (begun["state"], begun["settled"], begun["note"]) == ("upgrading", False, "slower")
    assert (begun["upgrade"]["base"], begun["upgrade"]["complete"], begun["upgrade"]["failed"]) == (1, None, None)
    await world.settle()
    done = await show(world)
    assert (done["state"], done["settled"]) == ("upgraded", True)
    assert done["upgrade"]["complete"] is not None
    assert done["upgrade"]["confirm_at"] is None
    kept = [c for c in done["containers"] if c["kept"]]
    assert [(c["id"], c["phase"], c["routed"]) for c in kept] == [(old[0], "exited", False)]
    assert (await deployment(world)).numbers == (("web", 1),)


async def test_the_first_up_and_one_over_a_revision_that_never_worked_have_nothing_to_go_back_to(world: World) -> None:
    assert (await world.up(services=mode("fast"))).json()["base"] is None
    assert (await world.up(services=mode("slow"))).json()["base"] is None
    await world.settle()
    assert (await show(world))["state"] == "healthy"


async def test_an_up_right_after_scaling_goes_back_to_the_scaled_revision(world: World) -> None:
    await upgraded(world, "fast")
    assert (await post(world, "scale", replicas={"web": 3})).json()["base"] is None
    assert (await world.up(services=mode("slow", deploy={"replicas": 3}))).json()["base"] == 2


async def test_what_replaces_nothing_is_no_upgrade(world: World) -> None:
    await upgraded(world, "fast")
    for services in (mode("fast", deploy={"replicas": 2}), mode("fast", deploy={"replicas": 2}) | {"db": web()}):
        assert (await world.up(services=services)).json()["base"] is None
        await world.settle()
    assert (await show(world))["state"] == "healthy"


async def test_an_up_while_unconfirmed_keeps_the_containers_of_the_confirmed_revision(world: World) -> None:
    old = await upgraded(world, "fast", "slow")
    assert (await world.up(services=mode("slower"))).json()["base"] == 1
    await world.settle()
    view = await show(world)
    assert (view["state"], view["revision"], view["upgrade"]["base"]) == ("upgraded", 3, 1)
    assert [c["id"] for c in view["containers"] if c["kept"]] == old


async def test_scaling_while_unconfirmed_leaves_it_unconfirmed_with_the_same_base(world: World) -> None:
    await upgraded(world)
    assert (await post(world, "scale", replicas={"web": 2})).json()["base"] == 1
    assert (await post(world, "confirm")).status_code == 409
    await world.settle()
    assert (await post(world, "confirm")).json()["base"] is None


async def test_the_same_again_while_unconfirmed_changes_nothing(world: World) -> None:
    await upgraded(world)
    before = await deployment(world)
    again = (await world.up(services=mode("slow"))).json()
    assert (again["revision"], again["generation"]) == (2, before.generation)
    assert await deployment(world) == before


async def test_force_replaces_everything_as_an_upgrade(world: World) -> None:
    old = await upgraded(world, "fast")
    preview = (await world.plan(services=mode("fast"), force=True)).json()
    assert [(s["action"], s["replaces"]) for s in preview["changes"]["services"]] == [("change", True)]
    assert preview["empty"] is False
    accepted = (await world.up(services=mode("fast"), force=True)).json()
    assert (accepted["revision"], accepted["base"]) == (2, 1)
    assert accepted["changes"] == preview["changes"]
    await world.settle()
    assert not set(old) & await running(world)
    assert (await post(world, "rollback")).is_success
    await world.settle()
    assert await running(world) == set(old)


async def test_confirm_removes_what_was_kept_and_may_be_repeated(world: World) -> None:
    old = await upgraded(world)
    confirmed = (await post(world, "confirm")).json()
    assert (confirmed["revision"], confirmed["base"]) == (2, None)
    await world.settle()
    view = await show(world)
    assert (view["state"], view["upgrade"]) == ("healthy", None)
    assert old[0] not in {c["id"] for c in view["containers"]}
    again = await post(world, "confirm")
    assert (again.status_code, again.json()["generation"]) == (200, confirmed["generation"])


async def test_an_upgrade_that_is_under_way_cannot_be_confirmed(world: World) -> None:
    await upgraded(world, "fast")
    await world.up(services=mode("slow"))
    refused = await post(world, "confirm")
    assert refused.status_code == 409
    assert "not complete" in refused.json()["detail"]
    assert "spin rollback shop -e development" in refused.json()["detail"]
    assert (await deployment(world)).upgrade is not None


async def test_an_upgrade_that_failed_says_why_and_cannot_be_confirmed_but_rolled_back_or_tried_again(world: World) -> None:
    old = await upgraded(world, "fast")
    world.engine.behave("web", SICK)
    await world.up(services=mode("slow"))
    await world.settle()
    view = await show(world)
    assert (view["state"], view["settled"]) == ("failed", True)
    failed = view["upgrade"]["failed"]
    assert failed["service"] == "web"
    assert "unhealthy" in failed["reason"]
    assert failed["held"] == ["web"]
    assert await running(world) >= set(old)
    refused = (await post(world, "confirm")).json()["detail"]
    assert "has failed" in refused
    assert failed["reason"] in refused
    before = await deployment(world)
    world.engine.behave("web", Behaviour())
    assert (await world.plan(services=mode("slow"))).json()["empty"] is False
    again = (await world.up(services=mode("slow"))).json()
    assert (again["revision"], again["generation"]) == (2, before.generation + 1)
    assert (await show(world))["state"] == "upgrading"
    await world.settle()
    assert (await show(world))["state"] == "upgraded"


async def test_an_upgrade_that_failed_in_production_is_rolled_back_and_the_view_says_why(world: World) -> None:
    where = {"environment": "production"}
    await world.up(services=mode("fast"), **where)
    await world.settle(**where)
    world.engine.behave("web", SICK)
    await world.up(services=mode("slow"), **where)
    await world.settle(**where)
    view = await show(world, **where)
    assert (view["state"], view["revision"], view["origin"], view["author"]) == ("healthy", 3, "rollback", "spin")
    assert view["note"].startswith("Revision 2 failed: shop-web-1 is unhealthy")
    answer = await world.as_("dora").post(path("shop", **where) + "/confirm", json={})
    assert answer.status_code == 409
    assert "was rolled back (revision 3, Revision 2 failed: shop-web-1 is unhealthy" in answer.json()["detail"]


@pytest.mark.parametrize(("asked", "state"), [("rollback", "healthy"), ("pause", "failed")])
async def test_the_person_who_asks_says_what_becomes_of_a_failure(world: World, asked: str, state: str) -> None:
    where = {"environment": "production" if asked == "pause" else "development"}
    await world.up(services=mode("fast"), **where)
    await world.settle(**where)
    world.engine.behave("web", SICK)
    await world.up(services=mode("slow"), on_failure=asked, **where)
    assert (await show(world, **where))["upgrade"]["on_failure"] == asked
    await world.settle(**where)
    assert (await show(world, **where))["state"] == state


@pytest.mark.parametrize("when", ["at once", "under way", "failed", "upgraded", "stopped", "scaled"])
async def test_a_rollback_runs_the_very_containers_again_in_whatever_state_the_upgrade_is(world: World, when: str) -> None:
    old = await upgraded(world, "fast")
    if when == "failed":
        world.engine.behave("web", SICK)
    await world.up(services=mode("slow"))
    if when == "under way":
        for _ in range(3):
            await world.passes.run(key_of("shop"))
    elif when != "at once":
        await world.settle()
    if when == "stopped":
        await post(world, "stop")
        await world.settle()
    if when == "scaled":
        await post(world, "scale", replicas={"web": 2})
        await world.settle()
    back = await post(world, "rollback", note="too slow")
    assert back.status_code == 200, back.text
    assert [(s["action"], s["replaces"]) for s in back.json()["changes"]["services"]] == [("change", True)]
    assert back.json()["base"] is None
    begun = await show(world)
    assert (begun["state"], begun["origin"], begun["note"], begun["upgrade"]) == ("rolling-back", "rollback", "too slow", None)
    if when == "stopped":
        await post(world, "start")
    await world.settle()
    view = await show(world)
    assert view["state"] == "healthy"
    assert {c["id"] for c in view["containers"]} == set(old)
    assert (await deployment(world)).upgrade is None


async def test_a_rollback_of_nothing_names_what_can_be_done(world: World) -> None:
    await upgraded(world, "fast")
    before = await world.rows()
    answer = await post(world, "rollback")
    assert answer.status_code == 409
    assert "spin rollback shop -e development --to REVISION" in answer.json()["detail"]
    assert "spin revisions shop -e development" in answer.json()["detail"]
    assert await world.rows() == before


async def test_a_rollback_to_an_earlier_revision_has_its_images_and_secrets_and_is_an_upgrade_itself(world: World) -> None:
    services = {"web": web(secrets=["p"])}
    for value in (b"one", b"two"):
        await world.up(services=services, **CONFIGURED, secrets={"p": value})
        await world.settle()
        await post(world, "confirm")
        await world.settle()
    world.images.known[f"{LAB}/web:1"] = OTHER_DIGEST
    answer = (await post(world, "rollback", to=1)).json()
    assert (answer["revision"], answer["base"]) == (3, 2)
    async with world.store.begin() as work:
        first, made = [await work.revision(key_of("shop"), n) for n in (1, 3)]
    assert first is not None
    assert made is not None
    assert (made.spec, made.secret_versions, made.note) == (first.spec, (("shop.p", 1),), "to revision 1")
    assert made.spec.services[0].image.digest == DIGEST
    await world.settle()
    assert (await show(world))["state"] == "upgraded"
    await post(world, "rollback")
    await world.settle()
    assert (await show(world))["state"] == "healthy"
    async with world.store.begin() as work:
        again = await work.revision(key_of("shop"), 4)
    assert again is not None
    assert again.secret_versions == (("shop.p", 2),)


async def test_a_rollback_to_the_confirmed_revision_or_to_one_that_says_the_same_runs_the_kept_containers(world: World) -> None:
    old = await upgraded(world)
    assert (await post(world, "rollback", to=1)).json()["base"] is None
    await world.settle()
    assert await running(world) == set(old)
    await world.up(services=mode("slower"))
    await world.settle()
    assert (await show(world))["upgrade"]["base"] == 3
    assert (await post(world, "rollback", to=1)).json()["base"] is None
    await world.settle()
    assert await running(world) == set(old)


async def test_a_rollback_to_what_is_wanted_already_changes_nothing(world: World) -> None:
    await upgraded(world, "fast")
    before = await world.rows()
    answer = (await post(world, "rollback", to=1)).json()
    assert (answer["revision"], answer["generation"]) == (1, 1)
    assert await world.rows() == before


async def test_todays_rules_hold_for_an_earlier_revision_too(world: World) -> None:
    for replicas in (5, 1):
        await world.up(services={"web": web(deploy={"replicas": replicas})})
    limits = replace(world.platform.site.limits, replicas=3)
    await world.exchange(site=replace(world.platform.site, limits=limits))
    before = await world.rows()
    answer = await post(world, "rollback", to=1)
    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert await world.rows() == before


async def test_an_image_may_be_on_the_engine_or_in_the_registry_and_else_the_refusal_says_so(world: World) -> None:
    await upgraded(world, "fast", "slow")
    world.images.known.clear()
    world.images.gone = True
    world.engine.reachable = True
    await post(world, "confirm")
    assert (await post(world, "rollback", to=1)).is_success, "the engine has it"
    await post(world, "rollback")
    world.engine.images.clear()
    assert (await post(world, "rollback", to=2)).status_code == 503
    world.images.gone = False
    answer = await post(world, "rollback", to=2)
    assert answer.status_code == 404
    assert DIGEST in answer.json()["detail"]


async def test_a_version_of_a_secret_that_is_gone_is_named(world: World) -> None:
    await world.up(services={"web": web(secrets=["p"])}, **CONFIGURED, secrets={"p": b"one"})
    await world.up(services=mode("fast"))
    assert (await world.as_("dora").delete("/projects/lab/environments/development/secrets/shop.p")).is_success
    before = await world.rows()
    answer = await post(world, "rollback", to=1)
    assert answer.status_code == 404
    assert "Version 1 of the secret 'shop.p' is no longer in development" in answer.json()["detail"]
    assert await world.rows() == before


async def test_a_port_that_somebody_else_has_taken_meanwhile_stops_a_rollback(world: World) -> None:
    await world.up(services={"web": web(ports=["60000:80"])})
    await world.up(services=mode("fast"))
    assert (await world.up("other", services={"web": web(ports=["60000:80"])})).is_success
    answer = await post(world, "rollback", to=1)
    assert answer.status_code == 409
    assert "60000" in answer.json()["detail"]


async def test_what_a_rollback_would_need_is_still_taken(world: World) -> None:
    own = {"web": web(ports=["60000:80"], x_spin={"http": 80, "hosts": ["data.example.org"]}, secrets=["p"])}
    await world.up(services=own, **CONFIGURED, secrets={"p": b"one"})
    await world.settle()
    await world.up(services=mode("fast"))
    assert (await world.up("thief", services={"web": web(ports=["60000:80"])})).status_code == 409
    named = {"web": web(x_spin={"http": 80, "hosts": ["data.example.org"]})}
    assert (await world.up("thief", services=named)).status_code == 409
    secret = "/projects/lab/environments/development/secrets/shop.p"
    assert (await world.as_("dora").delete(secret)).status_code == 409
    await world.settle()
    assert (await post(world, "confirm")).is_success
    assert (await world.as_("dora").delete(secret)).is_success
    assert (await world.up("thief", services=named)).is_success


@pytest.mark.parametrize("to", [3, 0, -1, "x", 2**31])
async def test_a_revision_that_there_is_not(world: World, to: Any) -> None:
    await upgraded(world, "fast")
    answer = await post(world, "rollback", to=to)
    assert answer.status_code == (404 if to == 3 else 422)
    if to == 3:
        assert "no revision 3" in answer.json()["detail"]
        assert "spin revisions shop" in answer.json()["detail"]


async def test_a_stack_that_is_being_removed_is_neither_confirmed_nor_rolled_back(world: World) -> None:
    await upgraded(world)
    await world.as_("dora").delete(path("shop"))
    for verb in ("confirm", "rollback"):
        answer = await post(world, verb)
        assert answer.status_code == 409
        assert "being removed" in answer.json()["detail"]
    await world.settle()
    assert (await world.as_("vera").get(path("shop"))).status_code == 404


async def test_confirmation_by_itself_is_announced_and_happens(world: World) -> None:
    await world.up(services=mode("fast"))
    await world.settle()
    await world.up(services=mode("slow"), **{"x-spin": {"confirm_after": "1m"}})
    await world.settle()
    assert (await show(world))["upgrade"]["confirm_at"] is not None
    world.clock.forward(timedelta(minutes=2))
    await world.settle()
    view = await show(world)
    assert (view["state"], view["upgrade"], len(view["containers"])) == ("healthy", None, 1)


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
