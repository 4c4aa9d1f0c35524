"""Stacks over the API that are upgraded: what tests of upgrades, rollbacks and revisions share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from spin.engines.simulated import Behaviour
from spin.model.revision import Deployment
from support.api import World, key_of, path, web

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
