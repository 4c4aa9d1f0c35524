"""Image facts at admission: told with the other findings, from registries that answer in time, and never in the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from spin.model.image import ImageFacts
from spin.usecases import known
from support.api import LAB, World, path, submission, web

ROOT = ImageFacts(exposed=(22, 80))
KEYCLOAK = {"app": web(command=["kc.sh", "start"], user="1000")}


def rules(answer: Any) -> list[str]:
    return [f["rule"] for f in answer.json()["findings"]]


async def checked(world: World, person: str = "dora", environment: str = "development", **body: Any) -> list[str]:
    sent = {"submission": submission(**body)}
    answer = await world.as_(person).post(path("shop", environment=environment) + "/check", json=sent)
    assert answer.status_code == 200, answer.text
    return rules(answer)


async def test_facts_of_images_are_among_the_findings(world: World) -> None:
    world.images.says[world.images.known[f"{LAB}/web:1"]] = ROOT
    assert {"image-root", "image-ports"} <= set(await checked(world))
    answer = await world.up()
    assert {"image-root", "image-ports"} <= set(rules(answer))


async def test_the_images_of_what_is_promoted_are_looked_at_too(world: World) -> None:
    await world.up()
    world.images.says[world.images.known[f"{LAB}/web:1"]] = ROOT
    answer = await world.as_("otto").post(path("shop") + "/promote", json={"to": "production"})
    assert answer.status_code == 200, answer.text
    assert "image-root" in rules(answer)


async def test_a_registry_that_does_not_tell_is_not_in_the_way(world: World, monkeypatch) -> None:
    begun = asyncio.Event()

    async def never(pinned: str) -> ImageFacts | None:
        begun.set()
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr(known, "WITHIN", 0.01)
    monkeypatch.setattr(world.images, "facts", never)
    assert await checked(world) == []
    assert begun.is_set()


async def test_a_tag_that_is_used_again_is_told_once(world: World) -> None:
    reference = f"{LAB}/web:1"
    await world.up()
    assert "tag-reused" not in await checked(world)
    world.images.known[reference] = "sha256:" + "9" * 64
    answer = await world.up()
    assert "tag-reused" in rules(answer)
    assert "in revision 1" in next(f["message"] for f in answer.json()["findings"] if f["rule"] == "tag-reused")
    assert "tag-reused" not in await checked(world)  # the newest revision that has the tag names this image


async def test_a_tag_is_remembered_while_others_are_used(world: World) -> None:
    world.images.known[f"{LAB}/web:2"] = "sha256:" + "8" * 64
    await world.up()
    await world.up(services={"web": web(image=f"{LAB}/web:2")})
    world.images.known[f"{LAB}/web:1"] = "sha256:" + "9" * 64
    assert "tag-reused" in await checked(world)


async def reviewed(world: World) -> None:
    environments = tuple(replace(e, reviewed=e.name == "production") for e in world.platform.site.environments)
    await world.exchange(site=replace(world.platform.site, environments=environments))


async def test_what_operators_look_at_is_a_warning_where_nothing_is_reviewed(world: World) -> None:
    assert (await world.up(services=KEYCLOAK)).status_code == 200


async def test_where_it_is_reviewed_only_an_operator_brings_it_up(world: World) -> None:
    await reviewed(world)
    assert (await world.up(services=KEYCLOAK)).status_code == 200
    refused = await world.as_("otto").post(path("shop") + "/promote", json={"to": "production"})
    assert refused.status_code == 422
    assert refused.json()["fields"]["findings"][0]["rule"] == "identity-service"
    accepted = await world.as_("root").post(path("shop") + "/promote", json={"to": "production"})
    assert accepted.status_code == 200, accepted.text
    scaled = await world.as_("otto").post(path("shop", environment="production") + "/scale", json={"replicas": {"app": 2}})
    assert scaled.status_code == 200, scaled.text
