"""Deploying: what is accepted, what is written down, and what is previewed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from spin.model.finding import Severity
from support.api import DIGEST, LAB, NOW, OTHER_DIGEST, World, key_of, path, submission, web


async def revision(world: World, stack: str = "shop", environment: str = "development") -> Any:
    async with world.store.begin() as work:
        deployment = await work.deployment(key_of(stack, environment=environment))
        assert deployment is not None
        return await work.revision(deployment.key, deployment.revision)


async def test_the_first_up_writes_one_deployment_and_one_revision_and_wakes_the_controller(world: World) -> None:
    answer = await world.up(services={"web": web(x_spin={"http": 8080})}, note="first try")
    accepted = answer.json()
    assert answer.status_code == 200
    assert (accepted["generation"], accepted["revision"]) == (1, 1)
    assert [(s["name"], s["action"]) for s in accepted["changes"]["services"]] == [("web", "add")]
    assert world.woken == [key_of("shop")]
    rows = await world.rows()
    assert (rows["deployments"], rows["revisions"]) == (1, 1)
    made = await revision(world)
    assert (made.author, made.created, made.origin.value, made.note) == ("dora", NOW, "up", "first try")


async def test_tags_become_digests_and_limits_get_defaults(world: World) -> None:
    await world.up(services={"web": web(), "db": {"image": "mariadb:11"}})
    spec = (await revision(world)).spec
    assert {s.name: s.image.digest for s in spec.services} == {"web": DIGEST, "db": OTHER_DIGEST}
    assert {s.image.reference for s in spec.services} == {f"{LAB}/web:1", "docker.io/library/mariadb:11"}
    assert all(s.resources.memory_bytes and s.resources.pids and s.resources.cpus for s in spec.services)


async def test_the_same_again_makes_no_revision_and_still_wakes_the_controller(world: World) -> None:
    sent = {"services": {"web": web(secrets=["p"])}, "top_secrets": {"p": {"file": "p.txt"}}, "secrets": {"p": b"x"}}
    await world.up(**sent)
    before = await world.rows()
    again = (await world.up(**sent)).json()
    assert (again["generation"], again["revision"]) == (1, 1)
    assert {s["action"] for s in again["changes"]["services"]} == {"unchanged"}
    assert await world.rows() == before
    assert len(world.woken) == 2


async def test_each_change_is_a_revision_and_a_generation(world: World) -> None:
    await world.up(services={"web": web(environment={"GREETING": "hello", "DB_PASSWORD": "old"})})
    answer = (await world.up(services={"web": web(environment={"GREETING": "bye", "DB_PASSWORD": "hunter2"})})).json()
    assert (answer["generation"], answer["revision"]) == (2, 2)
    [service] = answer["changes"]["services"]
    assert service["replaces"] is True
    shown = {k["key"]: (k["old"], k["new"]) for k in service["keys"]}
    assert shown["environment.GREETING"] == ("hello", "bye")
    assert "hunter2" not in str(answer)
    assert "old" not in shown["environment.DB_PASSWORD"]


async def test_a_tag_that_moved_is_a_change(world: World) -> None:
    await world.up()
    world.images.known[f"{LAB}/web:1"] = OTHER_DIGEST
    assert (await world.up()).json()["revision"] == 2


async def test_a_pinned_reference_stays_what_it_names(world: World) -> None:
    pinned = {"web": {"image": f"{LAB}/web:1@{DIGEST}"}}
    world.images.known |= {f"{LAB}/web:1": OTHER_DIGEST, f"{LAB}/web:0": DIGEST}
    assert (await world.up(services=pinned)).status_code == 200
    assert (await revision(world)).spec.services[0].image.digest == DIGEST
    gone = {"web": {"image": f"{LAB}/web:1@sha256:{'c' * 64}"}}
    assert (await world.up(services=gone)).status_code == 404


async def test_one_image_of_many_services_is_asked_for_once(world: World) -> None:
    await world.up(services={name: web() for name in ("web-a", "web-b", "web-c")})
    assert world.images.asked == [f"{LAB}/web:1"]


async def test_values_of_secrets_become_versions_and_are_in_no_revision_and_no_answer(world: World) -> None:
    sent: dict[str, Any] = {"services": {"web": web(secrets=["p"])}, "top_secrets": {"p": {"file": "p.txt"}}}
    first = await world.up(**sent, secrets={"p": b"hunter2"})
    assert (await revision(world)).secret_versions == (("shop.p", 1),)
    second = await world.up(**sent, secrets={"p": b"hunter3"})
    assert second.json()["revision"] == 2
    assert (await revision(world)).secret_versions == (("shop.p", 2),)
    for text in (first.text, second.text, repr(await revision(world)), (await world.as_("dora").get(path("shop"))).text):
        assert "hunter" not in text
    async with world.store.begin() as work:
        assert await work.secret_value("lab", "development", "shop.p", 2) == b"hunter3"


async def test_without_a_value_the_stored_secret_is_used(world: World) -> None:
    sent: dict[str, Any] = {"services": {"web": web(secrets=["p"])}, "top_secrets": {"p": {"file": "p.txt"}}}
    await world.up(**sent, secrets={"p": b"hunter2"})
    assert (await world.up(**sent)).json()["revision"] == 1


async def test_a_new_version_of_an_external_secret_is_a_change_at_the_next_up(world: World) -> None:
    sent: dict[str, Any] = {"services": {"web": web(secrets=["p"])}, "top_secrets": {"p": {"external": True, "name": "site.key"}}}
    where = "/projects/lab/environments/development/secrets/site.key"
    await world.as_("dora").put(where, json={"value": "YQ=="})
    await world.up(**sent)
    assert (await revision(world)).secret_versions == (("site.key", 1),)
    await world.as_("dora").put(where, json={"value": "Yg=="})
    assert (await world.up(**sent)).json()["revision"] == 2
    used = await world.as_("dora").delete(where)
    assert (used.status_code, used.json()["fields"]["stacks"]) == (409, ["shop"])


async def test_a_value_for_a_secret_that_the_stack_does_not_have_is_an_error(world: World) -> None:
    before = await world.rows()
    answer = await world.up(secrets={"typo": b"x"})
    assert answer.status_code == 422
    assert "typo" in answer.json()["detail"]
    assert await world.rows() == before


async def test_up_starts_again_what_was_stopped(world: World) -> None:
    await world.up()
    await world.as_("dora").post(path("shop") + "/stop", json={})
    again = (await world.up()).json()
    assert (again["generation"], again["revision"]) == (3, 1)
    async with world.store.begin() as work:
        deployment = await work.deployment(key_of("shop"))
    assert deployment is not None
    assert deployment.wishes == ()


async def test_a_preview_says_what_up_would_do_and_writes_nothing(world: World) -> None:
    sent = {"services": {"web": web(secrets=["p"])}, "top_secrets": {"p": {"file": "p.txt"}}, "secrets": {"p": b"x"}}
    before = await world.rows()

    async def plan(**body: Any) -> Any:
        return (await world.as_("dora").post(path("shop") + "/plan", json={"submission": submission(**body)})).json()

    new = await plan(**sent)
    assert (new["empty"], new["generation"], new["changes"]["services"][0]["action"]) == (False, 0, "add")
    assert await world.rows() == before
    await world.up(**sent)
    before = await world.rows()
    same = await plan(**sent)
    assert (same["empty"], same["generation"]) == (True, 1)
    changed = await plan(**(sent | {"secrets": {"p": b"y"}}))
    assert changed["empty"] is False
    assert changed["changes"]["services"][0]["replaces"] is True
    assert await world.rows() == before
    assert len(world.woken) == 1


async def test_warnings_and_the_clients_notices_go_with_the_revision(world: World) -> None:
    world.images.known[f"{LAB}/web:latest"] = DIGEST
    notice = {"rule": "unset-variable", "severity": "refuse", "message": "X is\n not set", "position": "\x1b[31m", "key": "a"}
    answer = (await world.up(services={"web": {"image": f"{LAB}/web:latest"}}, notices=[notice])).json()
    found = {f["rule"]: f for f in answer["findings"]}
    assert {"unset-variable", "latest"} <= set(found)
    assert found["unset-variable"]["severity"] == "warn", "a client's notice stops nothing"
    assert found["unset-variable"]["message"] == "X is? not set"
    assert found["unset-variable"]["position"] is None
    assert {f.rule for f in (await revision(world)).findings} == set(found)
    assert all(f.severity is not Severity.REFUSE for f in (await revision(world)).findings)


async def test_of_two_ups_at_once_that_expect_the_same_generation_one_is_told_of_the_conflict(world: World) -> None:
    await world.up()

    def up(greeting: str) -> Any:
        return world.up(services={"web": web(environment={"GREETING": greeting})}, expect_generation=1)

    answers = await asyncio.gather(*(up(word) for word in ("hello", "goodbye", "hi")))
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    assert (await world.rows())["revisions"] == 2
    [conflict, _] = [a.json() for a in answers if a.status_code == 409]
    assert conflict["fields"] == {"expected": 1, "generation": 2}


async def test_of_many_first_ups_at_once_each_counts_and_none_is_lost(world: World) -> None:
    answers = await asyncio.gather(*(world.up(services={"web": web(environment={"N": str(n)})}) for n in range(5)))
    assert {a.status_code for a in answers} == {200}
    assert sorted(a.json()["revision"] for a in answers) == [1, 2, 3, 4, 5]


async def test_of_two_first_ups_that_expect_nothing_to_be_there_one_is_refused(world: World) -> None:
    answers = await asyncio.gather(*(world.up(services={"web": web(environment={"N": n})}, expect_generation=0) for n in "ab"))
    assert sorted(a.status_code for a in answers) == [200, 409]


@pytest.mark.parametrize("stack", ["Shop", "shop_1", "-shop", "a--b", "x" * 41])
async def test_a_stack_needs_a_name_that_can_be_part_of_a_host_name(world: World, stack: str) -> None:
    answer = await world.up(stack)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert "cannot be the name of a stack" in answer.json()["detail"]


async def test_a_stack_that_is_being_removed_cannot_be_deployed_until_it_is_gone(world: World) -> None:
    await world.up()
    await world.settle()
    await world.as_("dora").delete(path("shop"))
    before = await world.rows()
    refused = await world.up()
    assert refused.status_code == 409
    assert "being removed" in refused.json()["detail"]
    assert await world.rows() == before
    await world.settle()
    assert (await world.up()).json()["revision"] == 1


async def test_a_project_has_no_more_stacks_in_an_environment_than_the_site_allows(world: World) -> None:
    await world.exchange(site=replace(world.platform.site, limits=replace(world.platform.site.limits, stacks=2)))
    assert [(await world.up(name)).status_code for name in ("one", "two", "one")] == [200, 200, 200]
    refused = await world.up("three")
    assert refused.status_code == 409
    assert "has 2 stacks in development, and this site allows no more" in refused.json()["detail"]
    assert (await world.as_("dora").post(path("three") + "/check", json={"submission": submission()})).status_code == 409
    assert (await world.up("three", environment="production")).status_code == 200
