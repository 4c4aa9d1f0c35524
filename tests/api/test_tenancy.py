"""A foreign project answers like a missing one, at every endpoint, whatever is in it; and each role may do what its row says."""

from __future__ import annotations

from typing import Any

import pytest

from spin.api.app import NOUNS
from spin.model.principal import Role
from support.api import World, key_of, path, submission, web

SERVICES = {"web": web(), "nightly": web(x_spin={"schedule": "15 3 * * *", "overlap": "allow"})}
DEPLOY = {"submission": submission(SERVICES)}
SECRETS = "/projects/{project}/environments/development/secrets"

# (method, path, body, the least role that may; None: operators only), in an order in which one person can do all of them.
ENDPOINTS: list[tuple[str, str, Any, Role | None]] = [
    ("GET", "/projects/{project}/members", None, Role.VIEWER),
    ("PUT", "/projects/{project}/members/vera", {"role": "viewer"}, Role.OWNER),
    ("DELETE", "/projects/{project}/members/vera", None, Role.OWNER),
    ("GET", "/projects/{project}/accounts", None, Role.VIEWER),
    ("PUT", "/projects/{project}/accounts/gateway", {"uid": 46311, "gid": 75137}, None),
    ("DELETE", "/projects/{project}/accounts/gateway", None, None),
    ("GET", "/projects/{project}/volumes", None, Role.VIEWER),
    ("GET", "/projects/{project}/events", None, Role.VIEWER),
    ("GET", "/projects/{project}/audit", None, Role.VIEWER),
    ("GET", SECRETS, None, Role.VIEWER),
    ("PUT", f"{SECRETS}/extra", {"value": "YQ=="}, Role.DEVELOPER),
    ("DELETE", f"{SECRETS}/spare", None, Role.DEVELOPER),
    ("GET", path(project="{project}"), None, Role.VIEWER),
    ("GET", path("shop", project="{project}"), None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "?seen=x&wait=0.01", None, Role.VIEWER),
    ("PUT", path("shop", project="{project}"), DEPLOY, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/plan", DEPLOY, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/check", DEPLOY, Role.VIEWER),
    ("POST", path("shop", project="{project}") + "/scale", {"replicas": {"web": 2}}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/scale", {"replicas": {"web": 2}, "dry_run": True}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/start", {"services": []}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/stop", {"services": ["web"]}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/restart", {}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/promote", {"to": "production"}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/promote", {"to": "production", "dry_run": True}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/confirm", {}, Role.DEVELOPER),
    ("POST", path("shop", project="{project}") + "/rollback", {"to": 1}, Role.DEVELOPER),
    ("GET", path("shop", project="{project}") + "/revisions", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/diff", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/export", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/logs", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/why", None, Role.VIEWER),
    ("GET", "/projects/{project}/environments/development/jobs", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/jobs", None, Role.VIEWER),
    ("POST", path("shop", project="{project}") + "/jobs/nightly/runs", None, Role.DEVELOPER),
    ("GET", path("shop", project="{project}") + "/jobs/nightly/runs", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/jobs/nightly/runs/1/logs", None, Role.VIEWER),
    ("GET", "/projects/{project}/environments/development/stats", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/stats", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/stats/history", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/stats/advice", None, Role.VIEWER),
    ("GET", path("shop", project="{project}") + "/files?path=/tmp&service=web", None, Role.DEVELOPER),
    ("DELETE", path("shop", project="{project}"), None, Role.DEVELOPER),
    ("DELETE", path("shop", project="{project}") + "?volumes=true", None, Role.OWNER),
]
MEMBERS = {Role.VIEWER: "vera", Role.DEVELOPER: "dora", Role.OWNER: "otto"}


@pytest.fixture
async def shop(world: World) -> World:
    """The stack `shop`, a run of its job `nightly`, and an unused secret `spare`, in the project `lab`."""
    assert (await world.up(services=SERVICES)).status_code == 200
    await world.settle()
    assert (await world.as_("dora").post(path("shop/jobs/nightly/runs"))).status_code == 200
    for _ in range(10):
        await world.passes.run(key_of("shop"))
    where = SECRETS.format(project="lab")
    assert (await world.as_("dora").put(f"{where}/spare", json={"value": "YQ=="})).status_code == 200
    return world


def test_the_list_below_has_every_endpoint_of_a_project() -> None:
    routes = {
        (method, route.path)
        for noun in NOUNS
        for route in noun.router.routes
        for method in getattr(route, "methods", ())  # those of WebSockets: tests/api/test_streams.py
        if "{project}" in route.path
    }
    assert len(routes) == len({(method, where.partition("?")[0]) for method, where, _, _ in ENDPOINTS})


async def test_a_foreign_project_answers_like_a_missing_one_and_nothing_happens(shop: World) -> None:
    before = await shop.rows()
    for method, where, body, _ in ENDPOINTS:
        foreign = await shop.as_("sam").request(method, where.format(project="lab"), json=body)
        missing = await shop.as_("sam").request(method, where.format(project="bal"), json=body)
        assert foreign.status_code == missing.status_code == 404, f"{method} {where}"
        assert without(foreign.text, "lab") == without(missing.text, "bal"), f"{method} {where}"
        assert set(foreign.headers) == set(missing.headers)
    assert await shop.rows() == before


def without(text: str, project: str) -> str:
    """The answer, with the project that was asked for made alike."""
    return text.replace(f"'{project}'", "'*'").replace(f'"{project}"', '"*"')


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_do_what_its_row_says_and_no_more(shop: World, role: Role) -> None:
    order = list(Role)
    for method, where, body, least in ENDPOINTS:
        before = await shop.rows()
        answer = await shop.as_(MEMBERS[role]).request(method, where.format(project="lab"), json=body)
        if least is not None and order.index(role) >= order.index(least):
            assert answer.is_success, f"{method} {where}: {answer.text}"
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), f"{method} {where}"
            assert ("only the operators" if least is None else f"role {least.value}") in answer.json()["detail"]
            assert await shop.rows() == before


async def test_operators_may_do_everything_in_every_project(shop: World) -> None:
    for method, where, body, _ in ENDPOINTS:
        answer = await shop.as_("root").request(method, where.format(project="lab"), json=body)
        assert answer.is_success, f"{method} {where}: {answer.text}"
        missing = await shop.as_("root").request(method, where.format(project="bal"), json=body)
        assert missing.status_code == 404


async def test_what_operators_do_is_recorded_under_their_name(world: World) -> None:
    sent = {"submission": submission()}
    assert (await world.as_("root").put(path("shop"), json=sent)).is_success
    assert (await world.as_("vera").get(path("shop"))).json()["author"] == "root"


async def test_environments_count_only_the_stacks_that_one_may_see(shop: World) -> None:
    def stacks(answer: Any) -> list[int]:
        return [e["stacks"] for e in answer.json()]

    assert stacks(await shop.as_("vera").get("/environments")) == [1, 0, 0]
    assert stacks(await shop.as_("sam").get("/environments")) == [0, 0, 0]
    assert stacks(await shop.as_("root").get("/environments")) == [1, 0, 0]


async def test_a_stacks_name_is_unique_in_its_environment_and_its_holder_is_not_told(shop: World) -> None:
    shop.images.known["localhost:5000/other/web:1"] = "sha256:" + "c" * 64
    services = {"web": {"image": "localhost:5000/other/web:1"}}
    before = await shop.rows()
    taken = await shop.up(person="sam", services=services)
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    assert "lab" not in taken.text
    assert await shop.rows() == before
    assert (await shop.up(person="sam", environment="production", services=services)).status_code == 200
