"""Rolling back over the API: what an unconfirmed upgrade goes back to, and any earlier revision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.api import DIGEST, LAB, OTHER_DIGEST, World, key_of, web
from support.upgraded import CONFIGURED, SICK, deployment, mode, post, running, show, upgraded


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
