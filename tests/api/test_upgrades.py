"""Upgrades over the API: when one begins, how it ends, and confirming."""

from __future__ import annotations

from datetime import timedelta

import pytest

from spin.engines.simulated import Behaviour
from support.api import World, path, web
from support.upgraded import SICK, deployment, mode, post, running, show, upgraded


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
