"""Users, projects, members and keys."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import World, path


async def test_operators_make_users_and_see_them_all(world: World) -> None:
    made = await world.as_("root").post("/users", json={"name": "nora", "password": "long enough", "operator": True})
    assert made.status_code == 201
    assert made.json()["operator"] is True
    names = [u["name"] for u in (await world.as_("root").get("/users")).json()]
    assert names == ["dora", "nora", "otto", "root", "sam", "vera"]
    assert "long enough" not in (await world.as_("root").get("/users")).text


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "dora"}, 409, "dora"),
        ({"name": "Not A Name"}, 422, "cannot be the name of a user"),
        ({"name": "nora", "password": "short"}, 422, "8 to 1024 characters"),
        ({"name": "nora", "password": "spin_" + "0" * 12 + "_" + "0" * 64}, 422, "must not look like an API key"),
    ],
)
async def test_a_user_that_cannot_be_made_is_refused_in_a_sentence(
    world: World, body: dict[str, Any], status: int, words: str
) -> None:
    before = await world.rows()
    answer = await world.as_("root").post("/users", json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert await world.rows() == before


@pytest.mark.parametrize(
    ("method", "where", "body"),
    [
        ("GET", "/users", None),
        ("POST", "/users", {"name": "nora"}),
        ("POST", "/projects", {"name": "mine"}),
        ("GET", "/keys?user=dora", None),
        ("POST", "/keys", {"name": "laptop", "user": "dora"}),
    ],
)
async def test_only_operators_do_what_concerns_the_site(world: World, method: str, where: str, body: Any) -> None:
    before = await world.rows()
    answer = await world.as_("otto").request(method, where, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert "operators" in answer.json()["detail"]
    assert await world.rows() == before


async def test_whoever_makes_a_project_owns_it(world: World) -> None:
    made = await world.as_("root").post("/projects", json={"name": "new-lab"})
    assert (made.status_code, made.json()) == (201, {"name": "new-lab", "role": "owner"})
    assert (await world.as_("root").post("/projects", json={"name": "new-lab"})).status_code == 409
    assert (await world.as_("root").post("/projects", json={"name": "New Lab"})).status_code == 422
    assert (await world.as_("root").get("/projects/new-lab/members")).json() == [{"user": "root", "role": "owner"}]


async def test_people_see_their_own_projects_and_operators_all(world: World) -> None:
    assert (await world.as_("vera").get("/projects")).json() == [{"name": "lab", "role": "viewer"}]
    assert (await world.as_("root").get("/projects")).json() == [{"name": "lab", "role": None}, {"name": "other", "role": None}]


async def test_owners_add_change_and_remove_members_and_it_counts_from_the_next_request(world: World) -> None:
    otto = world.as_("otto")
    assert (await world.as_("sam").get("/projects/lab/members")).status_code == 404
    put = await otto.put("/projects/lab/members/sam", json={"role": "viewer"})
    assert (put.status_code, put.json()) == (200, {"user": "sam", "role": "viewer"})
    assert (await world.as_("sam").get("/projects/lab/members")).status_code == 200
    assert (await otto.put("/projects/lab/members/sam", json={"role": "owner"})).status_code == 200
    assert (await world.as_("sam").delete("/projects/lab/members/otto")).status_code == 204
    assert (await otto.get("/projects/lab/members")).status_code == 404


@pytest.mark.parametrize(
    ("method", "user", "body", "status", "words"),
    [
        ("PUT", "nobody", {"role": "viewer"}, 404, "no user 'nobody'"),
        ("PUT", "sam", {"role": "king"}, 422, "role"),
        ("DELETE", "sam", None, 404, "no member"),
        ("DELETE", "otto", None, 409, "last owner"),
        ("PUT", "otto", {"role": "developer"}, 409, "last owner"),
    ],
)
async def test_members_that_cannot_be_changed_so(
    world: World, method: str, user: str, body: Any, status: int, words: str
) -> None:
    answer = await world.as_("otto").request(method, f"/projects/lab/members/{user}", json=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert len((await world.as_("otto").get("/projects/lab/members")).json()) == 3


async def test_too_small_a_role_is_told_which_one_is_needed_and_who_can_give_it(world: World) -> None:
    answer = await world.as_("vera").put("/projects/lab/members/sam", json={"role": "viewer"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "not-allowed")
    for word in ("role owner", "viewer", "otto"):
        assert word in problem["detail"]
    assert problem["fields"] == {"project": "lab", "needed": "owner", "role": "viewer", "owners": ["otto"]}


async def test_a_key_is_shown_once(world: World) -> None:
    made = (await world.as_("dora").post("/keys", json={"name": "laptop", "expires_days": 30})).json()
    assert set(made) == {"id", "name", "key", "expires"}
    assert made["key"].startswith(f"spin_{made['id']}_")
    assert made["expires"].startswith("2030-05-31")
    listed = await world.as_("dora").get("/keys")
    assert [k["name"] for k in listed.json()] == ["test", "laptop"] or [k["name"] for k in listed.json()] == ["laptop", "test"]
    assert made["key"].split("_")[2] not in listed.text


async def test_operators_make_keys_for_others_who_then_own_them(world: World) -> None:
    made = (await world.as_("root").post("/keys", json={"name": "handed over", "user": "vera"})).json()
    assert made["id"] in [k["id"] for k in (await world.as_("vera").get("/keys")).json()]
    assert made["id"] in [k["id"] for k in (await world.as_("root").get("/keys?user=vera")).json()]
    assert (await world.as_("root").post("/keys", json={"name": "x", "user": "nobody"})).status_code == 404
    assert (await world.as_("root").delete(f"/keys/{made['id']}")).status_code == 204


async def test_a_foreign_key_cannot_be_told_from_a_missing_one(world: World) -> None:
    made = (await world.as_("dora").post("/keys", json={"name": "laptop"})).json()
    foreign = await world.as_("sam").delete(f"/keys/{made['id']}")
    missing = await world.as_("sam").delete("/keys/000000000000")
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text.replace(made["id"], "*") == missing.text.replace("000000000000", "*")
    assert (await world.as_("sam").delete("/keys/a%20b")).status_code == 404
    assert made["id"] in [k["id"] for k in (await world.as_("dora").get("/keys")).json()]


@pytest.mark.parametrize("body", [{"name": ""}, {"name": " "}, {"name": "a\nb"}, {"name": "x", "expires_days": 0}])
async def test_keys_need_a_name_and_a_life(world: World, body: dict[str, Any]) -> None:
    assert (await world.as_("dora").post("/keys", json=body)).status_code == 422


async def test_secrets_are_written_listed_and_removed_and_never_shown(world: World) -> None:
    dora, where = world.as_("dora"), "/projects/lab/environments/production/secrets"
    first = await dora.put(f"{where}/shop.password", json={"value": "aHVudGVyMg=="})
    again = await dora.put(f"{where}/shop.password", json={"value": "aHVudGVyMg=="})
    other = await dora.put(f"{where}/shop.password", json={"value": "b3RoZXI="})
    assert [a.json()["version"] for a in (first, again, other)] == [1, 1, 2]
    listed = await world.as_("vera").get(where)
    assert [(s["name"], s["version"], s["author"]) for s in listed.json()] == [("shop.password", 2, "dora")]
    assert set(listed.json()[0]) == {"name", "version", "author", "created"}
    assert (await dora.get("/projects/lab/environments/development/secrets")).json() == []
    assert (await dora.delete(f"{where}/shop.password")).status_code == 204
    assert (await dora.delete(f"{where}/shop.password")).status_code == 404
    assert (await dora.delete(f"{where}/nope")).status_code == 404


async def test_secrets_have_a_largest_size_and_a_name(world: World) -> None:
    before = await world.rows()
    where = "/projects/lab/environments/production/secrets"
    large = await world.as_("dora").put(f"{where}/big", json={"value": "AAAA" * 350_000})
    assert large.status_code == 422
    assert "at most" in large.json()["detail"]
    assert (await world.as_("dora").put(f"{where}/..", json={"value": ""})).status_code in (404, 405)
    assert (await world.as_("dora").put(f"{where}/-x", json={"value": ""})).status_code == 422
    assert await world.rows() == before


async def test_an_unknown_environment_is_named_with_those_there_are(world: World) -> None:
    for where in ("/projects/lab/environments/nowhere/secrets", path(environment="nowhere"), path("x", environment="nowhere")):
        answer = await world.as_("dora").get(where)
        assert answer.status_code == 404
        assert "development, production, sandbox" in answer.json()["detail"]
