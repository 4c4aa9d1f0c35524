"""What is refused: all of it at once, with what to write instead, and nothing is created."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from spin.engines.simulated import SimulatedEngine
from spin.model.feature import Feature
from spin.model.stack import Port
from support.api import DIGEST, LAB, SITE, World, new_world, path, submission, web

EXTERNAL = {"external": True}


def findings(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    return {f["rule"]: f for f in answer.json()["fields"]["findings"]}


async def refused(world: World, status: int, code: str, **body: Any) -> httpx.Response:
    """The answer of an `up` that is refused so, checked to have written nothing and woken nobody."""
    before, woken = await world.rows(), len(world.woken)
    answer = await world.up("other-shop", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    preview = await world.as_("dora").post(path("other-shop") + "/plan", json={"submission": submission(**body)})
    assert preview.json() == answer.json(), "a preview is refused in the same words"
    assert await world.rows() == before
    assert len(world.woken) == woken
    return answer


async def test_every_rule_that_is_broken_is_told_at_once_with_its_line(world: World) -> None:
    services = {"web": web(privileged=True, pid="host", ports=["22:22"], imagee="x")}
    answer = await refused(world, 422, "refused", services=services, positions={"services.web.privileged": "compose.yaml:4"})
    found = answer.json()["fields"]["findings"]
    assert {f["key"].removeprefix("services.web.") for f in found if f["severity"] == "refuse"} >= {"privileged", "pid", "imagee"}
    assert findings(answer)["privileged"]["position"] == "compose.yaml:4"
    assert "22" in answer.json()["detail"]


async def test_problems_of_all_kinds_are_told_together(world: World) -> None:
    services = {"web": web(privileged=True, secrets=["p"]), "db": {"image": f"{LAB}/nope:9"}}
    answer = await refused(world, 422, "refused", services=services, top_secrets={"p": EXTERNAL})
    assert {"privileged", "image-missing", "secret-missing"} <= set(findings(answer))


async def test_every_missing_image_is_named_with_the_way_to_push_it(world: World) -> None:
    services = {"a": {"image": f"{LAB}/one:9"}, "b": {"image": f"{LAB}/two:9"}, "c": {"image": "nobody/nothing:1"}, "web": web()}
    answer = await refused(world, 404, "not-found", services=services)
    for words in ("one:9", "two:9", "docker.io/nobody/nothing:1", "spin push"):
        assert words in answer.json()["detail"]
    assert "web:1" not in answer.json()["detail"]


async def test_another_projects_image_cannot_be_told_from_a_missing_one(world: World) -> None:
    world.images.known["localhost:5000/other/hidden:1"] = DIGEST
    hidden = await refused(world, 404, "not-found", services={"a": {"image": "localhost:5000/other/hidden:1"}})
    missing = await refused(world, 404, "not-found", services={"a": {"image": "localhost:5000/other/nope:1"}})
    assert hidden.text.replace("hidden", "*") == missing.text.replace("nope", "*")
    assert world.images.asked == []
    await world.as_("root").put("/projects/other/members/dora", json={"role": "viewer"})
    assert (await world.up(services={"a": {"image": "localhost:5000/other/hidden:1"}})).status_code == 200


@pytest.mark.parametrize("image", ["quay.example/x/y:1", "169.254.169.254/latest/meta:1", "localhost:5001/lab/web:1"])
async def test_no_registry_is_asked_that_the_site_does_not_know(world: World, image: str) -> None:
    answer = await refused(world, 422, "refused", services={"a": {"image": image}})
    assert "image-source" in findings(answer)
    assert world.images.asked == []


@pytest.mark.parametrize("image", ["localhost:5000/lab/../other/x:1", "localhost:5000/web:1", "localhost:5000//lab/web:1"])
async def test_no_spelling_of_a_repository_leads_into_another_project(world: World, image: str) -> None:
    answer = await world.up(services={"a": {"image": image}})
    assert answer.status_code in (404, 422)
    assert world.images.asked == []


async def test_a_registry_that_is_gone_is_said_unless_the_document_is_wrong_anyway(world: World) -> None:
    world.images.gone = True
    await refused(world, 503, "registry-unavailable")
    await refused(world, 422, "refused", services={"web": web(privileged=True)})


async def test_an_engine_that_is_gone_is_said_unless_the_document_is_wrong_anyway(world: World) -> None:
    world.engine.reachable = False
    for services in ({"web": web()}, {"web": web(ports=["8081:80"])}):
        answer = await refused(world, 503, "engine-unavailable", services=services)
        assert "engine of development" in answer.json()["detail"]
    await refused(world, 422, "refused", services={"web": web(privileged=True)})
    checked = await world.as_("vera").post(path("shop") + "/check", json={"submission": submission()})
    assert checked.json()["ok"] is True
    assert [f["rule"] for f in checked.json()["findings"] if f["severity"] == "warn"] == ["engine-unreachable"]


async def test_missing_secrets_are_all_named_with_the_command_that_creates_them(world: World) -> None:
    services = {"web": web(secrets=["a", "b", "c"])}
    top = {"a": EXTERNAL, "b": {"external": True, "name": "shared.b"}, "c": {"file": "c.txt"}}
    answer = await refused(world, 404, "not-found", services=services, top_secrets=top)
    for name in ("other-shop.a", "shared.b", "other-shop.c"):
        assert f"spin secret create -e development {name} FILE" in answer.json()["detail"]


async def test_a_refused_up_stores_no_version_of_its_secrets(world: World) -> None:
    services = {"web": web(secrets=["a", "b"])}
    top = {"a": {"file": "a.txt"}, "b": EXTERNAL}
    await refused(world, 404, "not-found", services=services, top_secrets=top, secrets={"a": b"value"})


async def test_a_port_that_another_stack_holds_is_named_with_its_holder(world: World) -> None:
    services = {"db": web(ports=["5432:5432"])}
    assert (await world.up("first", services=services)).status_code == 200
    answer = await refused(world, 409, "conflict", services=services)
    assert "5432/tcp" in answer.json()["detail"]
    assert "stack 'first' in development" in answer.json()["detail"]
    promoted = await world.as_("dora").post(path("first") + "/promote", json={"to": "production"})
    assert promoted.status_code == 409, "one engine carries both environments"
    assert (await world.up("other-shop", services={"db": web(ports=["5432:5432/udp"])})).status_code == 200
    assert (await world.up("first", services=services)).status_code == 200


async def test_a_port_that_a_foreign_stack_holds_is_named_without_its_holder(world: World) -> None:
    world.images.known["localhost:5000/other/db:1"] = DIGEST
    foreign = {"db": {"image": "localhost:5000/other/db:1", "ports": ["5432:5432"]}}
    assert (await world.up("hidden-name", person="sam", services=foreign)).status_code == 200
    answer = await refused(world, 409, "conflict", services={"db": web(ports=["5432:5432"])})
    assert "5432/tcp" in answer.json()["detail"]
    assert "hidden-name" not in answer.text


async def test_a_port_that_something_else_on_the_engine_holds_is_named(world: World) -> None:
    world.engine.foreign_ports[Port(0, 5432)] = "a process on the engine's host"
    answer = await refused(world, 409, "conflict", services={"db": web(ports=["5432:5432"])})
    assert "5432/tcp is in use by a process on the engine's host" in answer.json()["detail"]


async def test_two_first_ups_at_once_do_not_both_get_the_port(world: World) -> None:
    services = {"db": web(ports=["5432:5432"])}
    answers = await asyncio.gather(*(world.up(stack, services=services) for stack in ("one", "two", "three")))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]


async def test_an_own_host_name_belongs_to_one_stack_over_all_environments(world: World) -> None:
    services = {"web": web(x_spin={"http": 8080, "hosts": ["Data.Example.org"]})}
    assert (await world.up("first", services=services)).status_code == 200
    answer = await refused(world, 409, "conflict", services=services)
    assert "data.example.org is taken by stack 'first'" in answer.json()["detail"]
    assert (await world.up("second", environment="production", services=services)).status_code == 409
    await world.up("first", services={"web": web()})
    assert (await world.up("second", environment="production", services=services)).status_code == 200


@pytest.mark.parametrize("host", ["web.other.development.spin.localhost", "console.spin.localhost", "spin.localhost"])
async def test_names_below_the_sites_domain_are_the_sites(world: World, host: str) -> None:
    await refused(world, 422, "refused", services={"web": web(x_spin={"http": 8080, "hosts": [host]})})


async def test_the_name_at_which_the_site_answers_is_the_sites(tmp_path: Path) -> None:
    async with new_world(tmp_path, site=replace(SITE, address="spin.example.org")) as world:
        services = {"web": web(x_spin={"http": 8080, "hosts": ["spin.example.org"]})}
        assert "host-reserved" in findings(await refused(world, 422, "refused", services=services))


async def test_two_replicas_never_write_to_one_volume(world: World) -> None:
    for name, rule in (("db", "database-scaled"), ("app", "shared-volume")):
        writing = {name: web(volumes=["data:/data"], deploy={"replicas": 2})}
        answer = await refused(world, 422, "refused", services=writing, top_volumes={"data": None})
        assert rule in findings(answer)
    reading = {"db": web(volumes=["data:/data:ro"], deploy={"replicas": 2})}
    assert (await world.up(services=reading, top_volumes={"data": None})).status_code == 200


async def test_there_is_a_most_of_replicas_and_services(world: World) -> None:
    await refused(world, 422, "refused", services={"web": web(scale=SITE.limits.replicas + 1)})
    await refused(world, 422, "refused", services={f"web-{n}": web() for n in range(SITE.limits.services + 1)})


@pytest.mark.parametrize(
    "document",
    [
        {"services": {"web": {"image": []}}},
        {"services": []},
        {"services": {"web": {"image": "a b"}}},
        {"services": {"web": {}}},
        {"services": {"web": {"image": "a", "depends_on": ["nobody"]}}},
        {},
        {"services": {"web": None}},
    ],
    ids=str,
)
async def test_a_document_that_is_no_compose_file_is_an_error_and_not_a_bug(world: World, document: Any) -> None:
    before = await world.rows()
    sent = {"submission": submission() | {"document": document}}
    answer = await world.as_("dora").put(path("shop"), json=sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert await world.rows() == before


async def test_check_gives_all_findings_and_no_error(world: World) -> None:
    async def check(**body: Any) -> Any:
        answer = await world.as_("vera").post(path("other-shop") + "/check", json={"submission": submission(**body)})
        assert answer.status_code == 200
        return answer.json()

    before = await world.rows()
    good = await check(services={"web": web()})
    assert good["ok"] is True
    bad = await check(
        services={"web": web(privileged=True, secrets=["p"]), "db": {"image": f"{LAB}/nope:9"}}, top_secrets={"p": EXTERNAL}
    )
    assert bad["ok"] is False
    assert {"privileged", "image-missing", "secret-missing"} <= {f["rule"] for f in bad["findings"]}
    assert await world.rows() == before


async def test_what_upgrades_may_lose_is_told_where_the_engine_has_no_service_addresses(world: World) -> None:
    services = {"web": web(), "api": web()}
    for addresses in (False, True):
        world.engine.capabilities = replace(world.engine.capabilities, service_addresses=addresses)
        answer = await world.up("pair", services=services, positions={"services": "compose.yaml:1"})
        assert answer.status_code == 200
        told = [(f["severity"], f["position"]) for f in answer.json()["findings"] if f["rule"] == "service-addresses"]
        assert told == ([] if addresses else [("advise", "compose.yaml:1")])
    services["web"] = web(privileged=True)
    world.engine.capabilities = replace(world.engine.capabilities, service_addresses=False)
    assert "service-addresses" in findings(await refused(world, 422, "refused", services=services))


async def test_what_the_engine_of_an_environment_lacks_is_refused_there_on_every_way_and_accepted_elsewhere(world: World) -> None:
    able = SimulatedEngine(world.clock)
    engines = {"docker": able, "simulated": SimulatedEngine(world.clock, lacks=frozenset({Feature.ULIMITS}))}
    environments = tuple(
        replace(e, engine="simulated") if e.name == "production" else e for e in world.platform.site.environments
    )
    await world.exchange(site=replace(world.platform.site, environments=environments), engines=engines)
    services = {"web": web(ulimits={"nofile": 1024})}
    assert (await world.up(services=services)).status_code == 200
    refused = await world.up(services=services, environment="production")
    assert refused.status_code == 422
    (finding,) = [f for f in refused.json()["fields"]["findings"] if f["severity"] == "refuse"]
    assert (finding["rule"], finding["service"]) == ("engine-lacks", "web")
    assert "ulimits" in finding["key"]
    copied = await world.as_("dora").post(path("shop/promote"), json={"to": "production"})
    assert [f["rule"] for f in copied.json()["fields"]["findings"] if f["severity"] == "refuse"] == ["engine-lacks"]
