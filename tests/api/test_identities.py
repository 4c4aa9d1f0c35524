"""Who people and projects are on the site's filesystems: operators say it, those whom it concerns see it."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import World

ANN = {"uid": 46311, "gid": 75137, "gids": [80001]}
ACCOUNT = "/projects/lab/accounts/gateway"


async def test_operators_give_an_identity_and_its_owner_sees_it(world: World) -> None:
    given = await world.as_("root").put("/users/dora/identity", json={**ANN, "gids": [80001, 75137, 80001]})
    assert (given.status_code, given.json()["identity"]) == (200, ANN)
    assert (await world.as_("dora").get("/whoami")).json()["identity"] == ANN
    assert [u["identity"] for u in (await world.as_("root").get("/users")).json() if u["name"] == "dora"] == [ANN]
    taken = await world.as_("root").delete("/users/dora/identity")
    assert (taken.status_code, taken.json()["identity"]) == (200, None)
    assert (await world.as_("dora").get("/whoami")).json()["identity"] is None


async def test_operators_set_collaboration_accounts_and_members_see_them(world: World) -> None:
    made = await world.as_("root").put(ACCOUNT, json=ANN)
    assert (made.status_code, made.json()) == (200, {"name": "gateway", "identity": ANN})
    assert (await world.as_("vera").get("/projects/lab/accounts")).json() == [{"name": "gateway", "identity": ANN}]
    assert (await world.as_("sam").get("/projects/lab/accounts")).status_code == 404
    assert (await world.as_("root").delete(ACCOUNT)).status_code == 204
    assert (await world.as_("root").delete(ACCOUNT)).status_code == 404


@pytest.mark.parametrize("person", ["vera", "dora", "otto"])
@pytest.mark.parametrize(
    ("method", "where"),
    [("PUT", "/users/dora/identity"), ("DELETE", "/users/dora/identity"), ("PUT", ACCOUNT), ("DELETE", ACCOUNT)],
)
async def test_nobody_else_says_who_somebody_is(world: World, person: str, method: str, where: str) -> None:
    before = await world.rows()
    answer = await world.as_(person).request(method, where, json=ANN if method == "PUT" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert "only the operators of this site" in answer.json()["detail"]
    assert await world.rows() == before


@pytest.mark.parametrize(
    ("where", "body", "status", "words"),
    [
        ("/users/nobody/identity", ANN, 404, "no user 'nobody'"),
        ("/users/dora/identity", {"uid": 0, "gid": 75137}, 422, "from 1000"),
        ("/users/dora/identity", {"uid": 999, "gid": 75137}, 422, "least_uid"),
        ("/users/dora/identity", {"uid": 46311, "gid": 0}, 422, "least_gid"),
        ("/users/dora/identity", {"uid": 46311, "gid": 75137, "gids": [999]}, 422, "from 1000"),
        ("/users/dora/identity", {"uid": 2**31, "gid": 75137}, 422, "uid"),
        ("/users/dora/identity", {"uid": "46311", "gid": 75137}, 422, "uid"),
        ("/users/dora/identity", {"uid": 46311, "gid": 75137, "gids": list(range(1, 300))}, 422, "gids"),
        ("/users/dora/identity", {"gid": 75137}, 422, "uid"),
        ("/projects/lab/accounts/Not%20A%20Name", ANN, 422, "cannot be the name of a collaboration account"),
        ("/projects/nowhere/accounts/gateway", ANN, 404, "no project 'nowhere'"),
        ("/projects/lab/accounts/gateway", {"uid": 46312, "gid": 1000}, 409, "user 'otto'"),
    ],
)
async def test_identities_that_will_not_do(world: World, where: str, body: Any, status: int, words: str) -> None:
    await world.as_("root").put("/users/otto/identity", json={"uid": 46312, "gid": 75137})
    before = await world.rows()
    answer = await world.as_("root").put(where, json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert await world.rows() == before
