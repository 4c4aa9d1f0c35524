"""A site's filesystem over the API: whose account counts, on each way by which a revision is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spin.model.paths import Component, PathFacts, PathKind
from spin.site import Filesystem
from support.api import SITE, World, new_world, path, web

DATA = "/global/cfs/physics/data"
DORA = {"uid": 46311, "gid": 75137}
OTTO = {"uid": 46312, "gid": 75137}


def way(of: str, **modes: int) -> tuple[Component, ...]:
    parts = of.strip("/").split("/")
    places = ["/", *("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))]
    return tuple(Component(p, PathKind.DIRECTORY, modes.get(p.rpartition("/")[2], 0o755), 0, 0) for p in places)


@pytest.fixture
async def cfs(tmp_path: Path) -> AsyncIterator[World]:
    """A site with a filesystem, on which dora and otto have accounts and the project has one."""
    site = replace(SITE, filesystems=(Filesystem("cfs", "/global/cfs"),))
    async with new_world(tmp_path, site=site) as world:
        for place in (DATA, "/global/cfs"):
            world.engine.paths[place] = PathFacts(place, real=place, way=way(place))
        root = world.as_("root")
        await root.put("/users/dora/identity", json=DORA)
        await root.put("/users/otto/identity", json=OTTO)
        await root.put("/projects/lab/accounts/gateway", json={"uid": 70001, "gid": 75138})
        yield world


def service(uid: str = "46311:75137", **more: Any) -> dict[str, Any]:
    return {"web": web(user=uid, volumes=[f"{DATA}:/data:ro"], **more)}


def refusals(answer: Any) -> list[str]:
    return [f["rule"] for f in answer.json()["fields"]["findings"] if f["severity"] == "refuse"]


async def test_whoever_brings_it_up_uses_their_own_account_or_the_projects(cfs: World) -> None:
    assert (await cfs.up(services=service())).status_code == 200
    assert (await cfs.up("own", person="otto", services=service("46312:75137"))).status_code == 200
    assert (await cfs.up("common", services=service("70001:75138"))).status_code == 200
    other = await cfs.up("other", person="otto", services=service())
    assert (other.status_code, refusals(other)) == (422, ["filesystem-user"])
    assert "46312:75137" in other.json()["detail"]


async def test_another_projects_account_is_nobodys_here(cfs: World) -> None:
    await cfs.as_("root").put("/projects/other/accounts/archive", json={"uid": 70002, "gid": 75139})
    answer = await cfs.up(services=service("70002:75139"))
    assert refusals(answer) == ["filesystem-user"]
    assert "archive" not in answer.text


async def test_scaling_copying_and_rolling_back_repeat_what_a_member_had_the_right_to(cfs: World) -> None:
    await cfs.up(services=service())
    await cfs.settle()
    scaled = await cfs.as_("otto").post(path("shop") + "/scale", json={"replicas": {"web": 2}})
    assert scaled.status_code == 200, scaled.text
    copied = await cfs.as_("root").post(path("shop") + "/promote", json={"to": "production"})
    assert copied.status_code == 200, copied.text
    await cfs.settle()
    back = await cfs.as_("otto").post(path("shop") + "/rollback", json={"to": 1})
    assert back.status_code == 200, back.text


async def test_an_account_that_was_taken_away_ends_with_the_next_change(cfs: World) -> None:
    await cfs.up(services=service())
    await cfs.settle()
    await cfs.as_("root").delete("/users/dora/identity")
    for verb, body in (("scale", {"replicas": {"web": 2}}), ("promote", {"to": "production"})):
        answer = await cfs.as_("otto").post(f"{path('shop')}/{verb}", json=body)
        assert refusals(answer) == ["filesystem-user"]
    assert (await cfs.as_("otto").post(path("shop") + "/stop", json={})).status_code == 200


async def test_so_does_that_of_who_has_left_the_project_or_may_only_look(cfs: World) -> None:
    await cfs.up(services=service())
    await cfs.settle()
    await cfs.as_("otto").put("/projects/lab/members/dora", json={"role": "viewer"})
    scaled = await cfs.as_("otto").post(path("shop") + "/scale", json={"replicas": {"web": 2}})
    assert refusals(scaled) == ["filesystem-user"]


async def test_the_platforms_own_way_back_asks_nobody_again(cfs: World) -> None:
    await cfs.up(services=service())
    await cfs.settle()
    await cfs.up(services=service(command=["other"]))
    await cfs.as_("root").delete("/users/dora/identity")
    assert (await cfs.as_("otto").post(path("shop") + "/rollback", json={})).status_code == 200


async def test_operators_bring_up_what_runs_as_a_member_and_as_nobody_else(cfs: World) -> None:
    assert (await cfs.up(person="root", services=service())).status_code == 200
    assert refusals(await cfs.up("x", person="root", services=service("50000:50000"))) == ["filesystem-user"]


async def test_the_directory_that_shuts_it_out_is_named_with_what_to_type(cfs: World) -> None:
    cfs.engine.paths[DATA] = PathFacts(DATA, real=DATA, way=way(DATA, physics=0o740))
    answer = await cfs.up(services=service())
    assert refusals(answer) == ["filesystem-traverse"]
    assert "chmod o+x /global/cfs/physics" in answer.json()["detail"]
    cfs.engine.paths[DATA] = PathFacts(DATA, real=DATA, way=way(DATA, physics=0o741))
    assert (await cfs.up(services=service())).status_code == 200


async def test_where_the_host_cannot_tell_it_is_a_warning(cfs: World) -> None:
    cfs.engine.paths.clear()
    answer = await cfs.up(services=service())
    assert answer.status_code == 200
    assert [f["rule"] for f in answer.json()["findings"] if f["rule"].startswith("filesystem")] == ["filesystem-unknown"]


async def test_an_engine_that_does_not_answer_is_no_reason_to_say_that_a_path_is_missing(cfs: World) -> None:
    cfs.engine.reachable = False
    answer = await cfs.up(services=service())
    assert (answer.status_code, answer.json()["code"]) == (503, "engine-unavailable")


async def test_the_plan_tells_what_is_mounted(cfs: World) -> None:
    await cfs.up(services=service())
    answer = (await cfs.plan(services={"web": web(user="46311:75137")})).json()
    (change,) = answer["changes"]["services"]
    assert {"key": "volumes./data", "old": f"path {DATA}, read-only", "new": None} in change["keys"]
    assert change["replaces"]
