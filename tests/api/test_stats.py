"""What containers use, over the API: now, remembered, and whether limits fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from spin.model.usage import STEP
from spin.usecases.events import forget_old
from spin.usecases.platform import Platform
from spin.usecases.stats import sample
from support.api import World, path, web

LIMITS = {"resources": {"limits": {"cpus": "0.5", "memory": "1G"}}}


@pytest.fixture
async def shop(world: World) -> World:
    await world.up(services={"web": web(deploy=LIMITS), "db": web()})
    await world.settle()
    return world


async def get(world: World, what: str, person: str = "vera", **query: Any) -> list[dict[str, Any]]:
    answer = await world.as_(person).get(path("shop/" + what), params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def minutes(world: World, count: int, platform: Platform | None = None) -> None:
    for _ in range(count):
        await sample(platform or world.platform)
        world.clock.forward(timedelta(minutes=1))


async def test_what_is_used_now_is_told_with_the_limits(shop: World) -> None:
    await get(shop, "stats")
    shop.clock.forward(timedelta(seconds=2))
    db, found = await get(shop, "stats")
    assert (db["service"], found["name"], found["slot"]) == ("db", "shop-web-1", 1)
    assert (found["cpu"], found["seconds"], found["cpu_limit"]) == (pytest.approx(0.1), 2, 0.5)
    assert (found["memory"], found["memory_limit"]) == (32 * 2**20, 2**30)


async def test_one_service_or_all_stacks_of_an_environment(shop: World) -> None:
    await shop.up(stack="lab")
    await shop.settle("lab")
    shop.clock.forward(timedelta(seconds=5))
    assert [c["service"] for c in await get(shop, "stats", service="web")] == ["web"]
    everything = (await shop.as_("vera").get("/projects/lab/environments/development/stats")).json()
    assert [c["name"] for c in everything] == ["lab-web-1", "shop-db-1", "shop-web-1"]
    assert (await shop.as_("vera").get("/projects/lab/environments/production/stats")).json() == []
    missing = await shop.as_("vera").get(path("shop/stats"), params={"service": "nope"})
    assert missing.status_code == 404
    assert "db, web" in missing.text


async def test_an_engine_that_is_gone_is_said(shop: World) -> None:
    shop.engine.reachable = False
    assert (await shop.as_("vera").get(path("shop/stats"))).status_code == 503


async def test_use_is_remembered_in_steps_and_over_a_restart(shop: World) -> None:
    await minutes(shop, 3)
    await minutes(shop, 3, replace(shop.platform, meter=type(shop.platform.meter)()))
    found = await get(shop, "stats/history", service="web")
    assert [(u["seconds"], u["containers"]) for u in found] == [(300, 1)] * len(found)
    assert max(u["cpu_max"] for u in found) == pytest.approx(0.1)
    assert {u["memory_limit"] for u in found} == {2**30}
    hour = await get(shop, "stats/history", service="web", step=3600)
    assert len(hour) == 1
    assert await get(shop, "stats/history", since=(shop.clock.now() + STEP).isoformat()) == []


@pytest.mark.parametrize("step", [0, 60, 450, 90_000])
async def test_a_step_is_a_multiple_of_five_minutes(shop: World, step: int) -> None:
    assert (await shop.as_("vera").get(path("shop/stats/history"), params={"step": step})).status_code == 422


async def test_a_look_at_an_engine_that_is_gone_notes_nothing(shop: World) -> None:
    shop.engine.reachable = False
    await sample(shop.platform)
    assert await get(shop, "stats/history") == []


async def test_what_is_old_is_forgotten(shop: World) -> None:
    await minutes(shop, 1)
    await forget_old(shop.platform, shop.clock.now() + timedelta(hours=25))
    assert await get(shop, "stats/history") == []


async def test_advice_needs_some_hours_and_then_says_what_to_write(shop: World) -> None:
    await minutes(shop, 2)
    assert [a["enough"] for a in await get(shop, "stats/advice")] == [False, False]
    for _ in range(40):
        await sample(shop.platform)
        shop.clock.forward(STEP)
    (found,) = await get(shop, "stats/advice", service="web")
    assert found["enough"]
    assert [m["write"] for m in found["misfits"]] == ["memory: 64M"]


async def test_metrics_have_what_services_use(shop: World) -> None:
    await minutes(shop, 2)
    async with shop.open({"Authorization": f"Bearer {shop.keys['vera']}"}) as client:
        text = (await client.get("http://spin.test/metrics")).text
    names = 'environment="development",project="lab",service="web",stack="shop"'
    assert f"spin_service_memory_bytes{{{names}}} 3.3554432e+07" in text
    assert f"spin_service_cpu_cores{{{names}}} 0.1" in text
