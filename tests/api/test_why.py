"""`why` over the API: on real passes of the controller, with a simulated engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour
from spin.model.observed import Route
from spin.usecases.stats import sample
from support.api import World, key_of, path, web

CHECK = {"healthcheck": {"test": ["CMD", "curl", "-f", "http://localhost/"]}}


async def why(world: World, stack: str = "shop", person: str = "vera", **query: Any) -> dict[str, Any]:
    answer = await world.as_(person).get(path(stack) + "/why", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def break_it(world: World) -> None:
    """An upgrade to a revision whose health check fails."""
    await world.up(services={"web": web(**CHECK)})
    await world.settle()
    await world.as_("dora").post(path("shop/confirm"), json={})
    await world.settle()
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=timedelta(seconds=1)))
    await world.up(services={"web": web(environment={"MODE": "new"}, **CHECK)})
    await world.settle()


async def test_a_healthy_stack(world: World) -> None:
    await world.up()
    await world.settle()
    found = await why(world)
    assert found["well"]
    assert found["sentence"].startswith("Nothing is wrong with shop: it is healthy since 12:00 UTC")
    assert {"revision", "step", "state", "container", "log"} <= {e["source"] for e in found["timeline"]}
    assert sum(e["source"] == "revision" for e in found["timeline"]) == 1


async def test_an_upgrade_that_failed_and_what_changed(world: World) -> None:
    await break_it(world)
    found = await why(world)
    assert "The upgrade to revision 2 has failed at web since 12:00 UTC" in found["sentence"]
    assert "shop-web-1 is unhealthy: connection refused" in found["sentence"]
    assert "revision 2 (dora, 12:00 UTC: web: environment.MODE nothing -> new) came just before" in found["sentence"]
    assert found["change"]["revision"] == 2


async def test_what_the_health_check_answers_is_on_the_time_line(world: World) -> None:
    await world.up(services={"web": web(**CHECK)})
    await world.settle()
    (container,) = world.engine.containers(key_of("shop"))
    world.engine.sicken(container.id, "no route")
    await world.passes.run(key_of("shop"))
    found = await why(world, service="web")
    (probe,) = [e for e in found["timeline"] if e["source"] == "probe"]
    assert (probe["cause"], probe["container"]) == ("no route", "shop-web-1")


async def test_what_visitors_met_is_on_the_time_line(world: World) -> None:
    await world.up(services={"web": web(x_spin={"http": 8080})})
    await world.settle()
    edge = SimulatedEdge()
    await edge.set_routes(
        "lab/development/shop", (Route("web.shop.development.spin.localhost", "lab/development/shop", ("a:1",)),)
    )
    edge.failed.update({"web.shop.development.spin.localhost": 2, "elsewhere": 5})
    await sample(replace(world.platform, edge=edge))
    await sample(replace(world.platform, edge=edge))
    texts = [e["text"] for e in (await why(world))["timeline"] if e["source"] == "edge"]
    assert texts == ["web: visitors got 2 answers with 5xx in 5 minutes"]
    edge.reachable = False
    await sample(replace(world.platform, edge=edge))


async def test_a_stack_that_is_gone_and_one_that_never_was(world: World) -> None:
    await world.up()
    await world.settle()
    await world.as_("dora").delete(path("shop"))
    await world.settle()
    found = await why(world)
    assert found["state"] == "gone"
    assert "dora asked for its removal" in found["sentence"]
    assert found["timeline"][-1]["text"] == "shop: removing -> removed"
    assert (await world.as_("vera").get(path("never") + "/why")).status_code == 404


async def test_an_engine_that_does_not_answer(world: World) -> None:
    await world.up()
    await world.settle()
    world.engine.reachable = False
    found = await why(world)
    assert "cannot be told" in found["sentence"]
    assert not found["well"]


async def test_the_time_line_is_bounded_and_services_must_be_there(world: World) -> None:
    await world.up()
    await world.settle()
    assert len((await why(world, last=3))["timeline"]) == 3
    assert (await world.as_("vera").get(path("shop/why"), params={"last": 100_000})).status_code == 422
    missing = await world.as_("vera").get(path("shop/why"), params={"service": "nope"})
    assert missing.status_code == 404
    assert "It has: web." in missing.text
