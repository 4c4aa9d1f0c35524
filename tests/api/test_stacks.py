"""Scale, start, stop, restart, promote, export, remove; and what stacks look like meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from spin.compose import load, lower
from spin.model.names import StackName
from spin.model.revision import ServiceWish
from support.api import DIGEST, LAB, NOW, OTHER_DIGEST, SITE, World, key_of, path, web
from support.database import counted

WEB = {"web": web(x_spin={"http": 8080, "hosts": ["data.example.org"]})}
DB = {"db": {"image": "mariadb:11", "volumes": ["data:/var/lib/mysql"], "secrets": ["p"]}}
OWN_SECRET: dict[str, Any] = {"top_secrets": {"p": {"file": "p.txt"}}, "top_volumes": {"data": None}}


async def post(world: World, verb: str, body: Any, stack: str = "shop") -> httpx.Response:
    return await world.as_("dora").post(f"{path(stack)}/{verb}", json=body)


async def show(world: World, stack: str = "shop", environment: str = "development") -> Any:
    return (await world.as_("vera").get(path(stack, environment=environment))).json()


async def test_a_stack_begins_as_initializing_and_becomes_healthy(world: World) -> None:
    await world.up(services=WEB)
    new = await show(world)
    assert (new["state"], new["settled"], new["containers"]) == ("initializing", False, [])
    assert new["services"] == [
        {
            "name": "web",
            "state": "initializing",
            "ready": 0,
            "wanted": 1,
            "detail": "",
            "image": f"{LAB}/web:1",
            "digest": DIGEST,
            "urls": ["http://web.shop.development.spin.localhost:8080/", "http://data.example.org:8080/"],
            "ports": [],
        }
    ]
    await world.settle()
    ready = await show(world)
    assert (ready["state"], ready["settled"]) == ("healthy", True)
    assert (ready["services"][0]["ready"], ready["services"][0]["wanted"]) == (1, 1)
    [container] = ready["containers"]
    assert (container["name"], container["routed"], container["current"]) == ("shop-web-1", True, True)
    assert container["image"] == f"{LAB}/web:1"
    assert ready["token"] != new["token"]
    assert (ready["author"], ready["origin"], ready["revision"]) == ("dora", "up", 1)
    assert ready["urls"] == ready["services"][0]["urls"]
    assert ready["created"].startswith("2030-05-01T12:00:00")


async def test_published_ports_are_shown_as_docker_shows_them(world: World) -> None:
    await world.up(services={"db": web(ports=["8081:80", "50000:53/udp"])})
    assert (await show(world))["services"][0]["ports"] == ["8081->80/tcp", "50000->53/udp"]


async def test_a_change_is_not_settled_until_the_controller_has_seen_it(world: World) -> None:
    await world.up(services=WEB)
    await world.settle()
    await post(world, "scale", {"replicas": {"web": 3}})
    seen = await show(world)
    assert (seen["state"], seen["settled"], seen["generation"]) == ("initializing", False, 2)
    assert len(seen["containers"]) == 1
    await world.settle()
    assert (await show(world))["services"][0]["ready"] == 3


async def test_scaling_is_a_revision_with_the_same_digests_and_replaces_nothing(world: World) -> None:
    await world.up(services=WEB)
    world.images.known[f"{LAB}/web:1"] = OTHER_DIGEST
    world.images.asked.clear()
    preview = (await post(world, "scale", {"replicas": {"web": 3}, "dry_run": True})).json()
    assert (await show(world))["generation"] == 1
    accepted = (await post(world, "scale", {"replicas": {"web": 3}})).json()
    assert accepted["changes"] == preview["changes"]
    [change] = accepted["changes"]["services"]
    assert change == {
        "name": "web",
        "action": "change",
        "replaces": False,
        "keys": [{"key": "replicas", "old": "1", "new": "3"}],
    }
    view = await show(world)
    assert (view["revision"], view["origin"], view["services"][0]["digest"]) == (2, "scale", DIGEST)
    assert world.images.asked == []
    again = (await post(world, "scale", {"replicas": {"web": 3}})).json()
    assert (again["generation"], again["revision"]) == (2, 2)


@pytest.mark.parametrize(
    ("replicas", "status", "words"),
    [
        ({"web": SITE.limits.replicas + 1}, 422, str(SITE.limits.replicas)),
        ({"db": 2}, 422, "corrupt"),
        ({"nope": 1}, 404, "It has: db, web"),
        ({"web": -1}, 422, "greater than or equal to 0"),
        ({"web": "two"}, 422, "integer"),
        ({"web": True}, 422, "integer"),
        ({}, 422, "at least 1"),
    ],
    ids=str,
)
async def test_scaling_that_cannot_be_is_refused_and_changes_nothing(
    world: World, replicas: Any, status: int, words: str
) -> None:
    await world.up(services=WEB | DB, **OWN_SECRET, secrets={"p": b"x"})
    before = await world.rows()
    for dry_run in (False, True):
        answer = await post(world, "scale", {"replicas": replicas, "dry_run": dry_run})
        assert answer.status_code == status
        assert words in answer.json()["detail"]
    assert await world.rows() == before
    assert (await show(world))["generation"] == 1


async def test_a_service_can_be_scaled_to_nothing_and_back(world: World) -> None:
    await world.up(services=WEB)
    await post(world, "scale", {"replicas": {"web": 0}})
    await world.settle()
    assert (await show(world))["containers"] == []
    await post(world, "scale", {"replicas": {"web": 1}})
    await world.settle()
    assert (await show(world))["state"] == "healthy"


async def test_stop_start_and_restart_are_wishes_and_no_revisions(world: World) -> None:
    await world.up(services=WEB | DB, **OWN_SECRET, secrets={"p": b"x"})
    await world.settle()
    before = {c["service"]: c["id"] for c in (await show(world))["containers"]}

    stopped = (await post(world, "stop", {"services": ["web"]})).json()
    assert (stopped["generation"], stopped["revision"]) == (2, 1)
    await world.settle()
    states = {s["name"]: s["state"] for s in (await show(world))["services"]}
    assert states == {"db": "healthy", "web": "stopped"}

    await post(world, "start", {"services": []})
    await world.settle()
    running = {c["service"]: c["id"] for c in (await show(world))["containers"]}
    assert running == before

    await post(world, "restart", {"services": ["web"]})
    await world.settle()
    after = {c["service"]: c["id"] for c in (await show(world))["containers"]}
    assert after["db"] == before["db"]
    assert after["web"] != before["web"]
    assert (await world.rows())["revisions"] == 1


async def test_stopping_twice_is_stopping_once(world: World) -> None:
    await world.up()
    for _ in range(2):
        answer = await post(world, "stop", {})
        assert answer.json()["generation"] == 2
    async with world.store.begin() as work:
        deployment = await work.deployment(key_of("shop"))
    assert deployment is not None
    assert deployment.wishes == (ServiceWish("web", stopped=True),)


async def test_scaling_a_stopped_service_leaves_it_stopped(world: World) -> None:
    await world.up()
    await post(world, "stop", {})
    await post(world, "scale", {"replicas": {"web": 2}})
    await world.settle()
    assert (await show(world))["state"] == "stopped"


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
async def test_an_unknown_service_is_named_with_those_there_are(world: World, verb: str) -> None:
    await world.up()
    answer = await post(world, verb, {"services": ["web", "wbe"]})
    assert answer.status_code == 404
    assert "no service 'wbe'. It has: web" in answer.json()["detail"]
    assert (await show(world))["generation"] == 1


async def test_promoting_takes_the_same_digests_and_neither_secrets_nor_data(world: World) -> None:
    await world.up(services=DB, **OWN_SECRET, secrets={"p": b"development's"})
    await world.settle()
    world.images.known |= {"docker.io/library/mariadb:11": DIGEST, "docker.io/library/mariadb:10": OTHER_DIGEST}
    before = await world.rows()
    missing = await post(world, "promote", {"to": "production"})
    assert missing.status_code == 404
    assert "spin secret create -e production shop.p FILE" in missing.json()["detail"]
    assert await world.rows() == before
    sent = {"to": "production", "secrets": {"p": "cHJvZHVjdGlvbidz"}}
    preview = await post(world, "promote", sent | {"dry_run": True})
    assert preview.json()["changes"]["services"][0]["action"] == "add"
    assert await world.rows() == before
    accepted = (await post(world, "promote", sent)).json()
    assert (accepted["environment"], accepted["generation"], accepted["revision"]) == ("production", 1, 1)
    await world.settle(environment="production")
    view = await show(world, environment="production")
    assert (view["services"][0]["digest"], view["origin"], view["state"]) == (OTHER_DIGEST, "promote", "healthy")
    async with world.store.begin() as work:
        assert await work.secret_value("lab", "production", "shop.p", 1) == b"production's"
        revision = await work.revision(key_of("shop", environment="production"), 1)
    assert revision is not None
    assert revision.note == "from development, revision 1"
    volumes = (await world.as_("vera").get("/projects/lab/volumes")).json()
    assert [(v["environment"], v["stack"], v["name"], v["used_by"]) for v in volumes] == [
        ("development", "shop", "data", ["db"]),
        ("production", "shop", "data", ["db"]),
    ]
    again = (await post(world, "promote", {"to": "production"})).json()
    assert again["revision"] == 1, "the secret is there now, and nothing has changed"


async def test_promoting_an_own_host_name_waits_until_it_is_given_up(world: World) -> None:
    await world.up(services=WEB)
    answer = await post(world, "promote", {"to": "production"})
    assert answer.status_code == 409
    assert "data.example.org is taken by stack 'shop' in development" in answer.json()["detail"]


async def test_promoting_an_image_that_the_registry_has_lost_is_refused(world: World) -> None:
    await world.up()
    world.images.known.clear()
    answer = await post(world, "promote", {"to": "production"})
    assert answer.status_code == 404
    assert DIGEST in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"to": "development"}, 422, "already"),
        ({"to": "nowhere"}, 404, "sandbox"),
        ({"to": "production", "secrets": {"nope": "YQ=="}}, 422, "no secret 'nope'"),
    ],
)
async def test_promotions_that_cannot_be(world: World, body: Any, status: int, words: str) -> None:
    await world.up()
    before = await world.rows()
    answer = await post(world, "promote", body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert await world.rows() == before


async def test_an_export_loads_again_to_the_same_stack_without_values_of_secrets(world: World) -> None:
    await world.up(services=WEB | DB, **OWN_SECRET, secrets={"p": b"hunter2"})
    exported = await world.as_("vera").get(path("shop") + "/export")
    answer = exported.json()
    assert answer["missing_secrets"] == ["shop.p"]
    assert "hunter2" not in exported.text
    loaded = load([("compose.yaml", answer["files"]["compose.yaml"])], {}, lambda _: b"")
    again = lower(loaded, stack=StackName("shop"), registry_host=SITE.registry_host, project="lab")
    async with world.store.begin() as work:
        revision = await work.revision(key_of("shop"), 1)
    assert revision is not None
    assert again.services == revision.spec.services


async def test_removing_keeps_the_data_and_can_be_asked_for_twice(world: World) -> None:
    await world.up(services=DB, **OWN_SECRET, secrets={"p": b"x"})
    await world.settle()
    for _ in range(2):
        answer = await world.as_("dora").delete(path("shop"))
        assert (answer.status_code, answer.json()["generation"]) == (202, 2)
    view = await show(world)
    assert (view["state"], view["settled"]) == ("removing", False)
    for verb, body in (("start", {}), ("scale", {"replicas": {"db": 1}}), ("promote", {"to": "production"})):
        assert (await post(world, verb, body)).status_code == 409
    await world.settle()
    assert (await world.as_("vera").get(path("shop"))).status_code == 404
    assert (await world.as_("vera").get(path())).json() == []
    [volume] = (await world.as_("vera").get("/projects/lab/volumes")).json()
    assert (volume["stack"], volume["used_by"]) == ("shop", [])


async def test_owners_can_remove_the_data_too(world: World) -> None:
    await world.up(services=DB, **OWN_SECRET, secrets={"p": b"x"})
    await world.settle()
    assert (await world.as_("dora").delete(path("shop") + "?volumes=true")).status_code == 403
    assert (await show(world))["state"] == "healthy"
    await world.as_("dora").delete(path("shop"))
    assert (await world.as_("otto").delete(path("shop") + "?volumes=true")).status_code == 202
    await world.settle()
    assert (await world.as_("vera").get("/projects/lab/volumes")).json() == []


async def test_volumes_of_an_engine_that_is_gone_are_not_shown_as_none(world: World) -> None:
    world.engine.reachable = False
    assert (await world.as_("vera").get("/projects/lab/volumes")).status_code == 503


async def test_environments_say_whether_their_engine_answers(world: World) -> None:
    async def development() -> Any:
        return (await world.as_("vera").get("/environments")).json()[0]

    there = await development()
    assert (there["name"], there["engine"], there["reachable"], there["version"]) == ("development", "docker", True, "simulated")
    world.engine.reachable = False
    gone = await development()
    assert (gone["reachable"], gone["detail"]) == (False, "the simulated engine does not answer")
    await world.up()
    assert (await world.as_("vera").get(path())).status_code == 200, "what is stored is shown without the engine"


async def test_listing_takes_as_many_queries_for_twenty_stacks_as_for_two(world: World) -> None:
    counts = []
    for number in range(20):
        await world.up(f"shop-{number:02}", services={"web": web(x_spin={"http": 8080}), "util": web()})
        await world.settle(f"shop-{number:02}")
        if number in (1, 19):
            with counted(world.store) as statements:
                listed = (await world.as_("vera").get(path())).json()
            assert [s["stack"] for s in listed] == [f"shop-{n:02}" for n in range(number + 1)]
            assert all(s["state"] == "healthy" for s in listed)
            counts.append(statements.count)
    assert counts[0] == counts[1]
    assert counts[0] <= 6


async def test_deploying_takes_as_many_queries_for_six_services_as_for_one(world: World) -> None:
    counts = []
    for size in (1, 6):
        services = {f"web-{n}": web(ports=[f"{60000 + n + size}:80"]) for n in range(size)}
        with counted(world.store) as statements:
            assert (await world.up(f"size-{size}", services=services)).status_code == 200
        counts.append(statements.count)
    assert counts[0] == counts[1]


async def test_tokens_of_equal_views_are_equal_and_lists_carry_the_same(world: World) -> None:
    await world.up()
    await world.settle()
    first, second = await show(world), await show(world)
    [listed] = (await world.as_("vera").get(path())).json()
    assert first == second == listed
    assert world.clock.now() > NOW
