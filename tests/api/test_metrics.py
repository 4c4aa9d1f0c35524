"""Health, readiness and Prometheus metrics."""

from __future__ import annotations

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from support.api import World, path, web


def anybody(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://spin.test")


async def scraped(world: World, person: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with anybody(world) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {world.keys[person]}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def labels(**names: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"project": "lab", "environment": "development", "stack": "shop", **names}.items()))


async def test_the_stacks_and_their_services_are_measured(world: World) -> None:
    await world.up(services={"web": web(deploy={"replicas": 2})})
    await world.settle()
    found = await scraped(world, "vera")
    assert found["spin_stacks", (("environment", "development"), ("state", "healthy"))] == 1
    assert found["spin_stack_state", labels(state="healthy")] == 1
    assert found["spin_stack_revision", labels()] == 1
    assert found["spin_stack_unconfirmed", labels()] == 0
    assert found["spin_service_wanted", labels(service="web")] == 2
    assert found["spin_service_ready", labels(service="web")] == 2
    assert found["spin_container_restarts", labels(service="web", container="shop-web-2")] == 0
    await world.as_("dora").post(path("shop/stop"), json={"services": []})
    await world.settle()
    assert (await scraped(world, "vera"))["spin_stack_state", labels(state="stopped")] == 1


async def test_members_see_their_own_stacks_and_operators_all_with_the_platforms_own_figures(world: World) -> None:
    await world.up()
    await world.settle()
    stranger, operator = await scraped(world, "sam"), await scraped(world, "root")
    assert not [name for name, _ in stranger if name.startswith(("spin_stack", "spin_service", "spin_api", "process_"))]
    assert operator["spin_stack_revision", labels()] == 1
    routes = {dict(names).get("route", "") for name, names in operator if name == "spin_api_requests_total"}
    assert "/api/v1/projects/{project}/environments/{environment}/stacks/{stack}" in routes
    assert not [route for route in routes if "shop" in route]


async def test_metrics_need_credentials_and_health_does_not(world: World) -> None:
    async with anybody(world) as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "parts": {"store": "ok", "engine docker": "ok"}})


async def test_a_platform_whose_engine_does_not_answer_is_not_ready_and_healthy_all_the_same(world: World) -> None:
    world.engine.reachable = False
    async with anybody(world) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]) == (503, {"store": "ok", "engine docker": "does not answer"})
        assert (await client.get("/healthz")).status_code == 200


async def test_every_answer_carries_the_identifier_that_the_log_and_the_journal_have(world: World) -> None:
    sent = {"submission": {"document": {"services": {"web": web()}}}}
    answer = await world.as_("dora").put(path("shop"), json=sent, headers={"X-Request-Id": "abcdef-0123456789"})
    assert answer.headers["x-request-id"] == "abcdef-0123456789"
    assert [e.caller.request for e in await world.journal() if e.caller] == ["abcdef-0123456789"]
    odd = await world.as_("dora").get(path("shop"), headers={"X-Request-Id": "<script>"})
    assert re.fullmatch(r"[0-9a-f]{32}", odd.headers["x-request-id"])
