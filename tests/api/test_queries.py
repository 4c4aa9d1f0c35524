"""No endpoint asks its database once for each thing: as many statements with fifty stacks, secrets, users, keys and events as with one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from spin.api import document
from spin.api.context import PREFIX
from spin.model.names import DeploymentKey
from support.api import World, path, submission, web
from support.database import counted
from support.openapi import Document

MANY = 50
SERVICES = {"web": web(x_spin={"http": 8080}), "util": web(), "nightly": web(x_spin={"schedule": "0 3 * * *"})}
READING = {
    "stacks": ("vera", path()),
    "stack": ("vera", path("shop-00")),
    "revisions": ("vera", path("shop-00") + "/revisions"),
    "diff": ("vera", path("shop-00") + "/diff"),
    "export": ("vera", path("shop-00") + "/export"),
    "why": ("vera", path("shop-00") + "/why"),
    "stats": ("vera", "/projects/lab/environments/development/stats"),
    "stats of one": ("vera", path("shop-00") + "/stats"),
    "history": ("vera", path("shop-00") + "/stats/history"),
    "advice": ("vera", path("shop-00") + "/stats/advice"),
    "jobs of all": ("vera", "/projects/lab/environments/development/jobs"),
    "jobs": ("vera", path("shop-00") + "/jobs"),
    "runs": ("vera", path("shop-00") + "/jobs/nightly/runs"),
    "events": ("vera", "/projects/lab/events?last=1000"),
    "audit": ("otto", "/projects/lab/audit?last=1000"),
    "site audit": ("root", "/audit?last=1000"),
    "metrics": ("vera", "http://spin.test/metrics"),
    "metrics of all": ("root", "http://spin.test/metrics"),
    "ready": ("", "http://spin.test/readyz"),
    "secrets": ("vera", "/projects/lab/environments/development/secrets"),
    "volumes": ("vera", "/projects/lab/volumes"),
    "members": ("vera", "/projects/lab/members"),
    "accounts": ("vera", "/projects/lab/accounts"),
    "projects": ("root", "/projects"),
    "own projects": ("vera", "/projects"),
    "users": ("root", "/users"),
    "keys": ("vera", "/keys"),
    "environments": ("vera", "/environments"),
    "whoami": ("vera", "/whoami"),
    "rules": ("vera", "/rules"),
}
"""What is asked, and as whom."""

NO_QUERIES = {"get_healthz", "get_site", "get_rule"}
STREAMS = {"get_logs", "get_file", "get_run_logs"}
"""What asks the engine about one stack."""


def test_every_operation_that_reads_is_counted_here() -> None:
    api = Document(document())
    asked = {api.find("GET", where.removeprefix("http://spin.test").partition("?")[0]) for _, where in READING.values()}
    asked |= {api.find("GET", PREFIX + where.partition("?")[0]) for _, where in READING.values()}
    missing = {o["operationId"] for key, o in api.operations.items() if key[0] == "GET" and key not in asked}
    assert missing == NO_QUERIES | STREAMS, "add the others to READING"


async def done(asked: Any) -> None:
    answer: httpx.Response = await asked
    assert answer.status_code < 300, answer.text


async def grow(world: World, number: int) -> None:
    """One more of everything."""
    name = f"shop-{number:02}"
    await done(world.up(name, services=SERVICES | {"db": web(volumes=["data:/data"])}, volumes={"data": {}}))
    await world.settle(name)
    await done(world.up("shop-00", services=SERVICES, note=f"{number}"))
    root = world.as_("root")
    await done(root.post("/users", json={"name": f"user-{number:02}"}))
    await done(root.post("/projects", json={"name": f"project-{number:02}"}))
    await done(world.as_("otto").put(f"/projects/lab/members/user-{number:02}", json={"role": "viewer"}))
    numbers = {"uid": 5000 + number, "gid": 5000, "gids": [6000, 7000]}
    await done(root.put(f"/projects/lab/accounts/account-{number:02}", json=numbers))
    await done(world.as_("vera").post("/keys", json={"name": f"key-{number:02}"}))
    secret = f"/projects/lab/environments/development/secrets/secret-{number:02}"
    await done(world.as_("dora").put(secret, json={"value": "dmFsdWU="}))


async def statements(world: World) -> dict[str, int]:
    """How many each of the questions takes."""
    counts = {}
    for what, (person, where) in READING.items():
        await done(world.as_(person).get(where))  # so that what is looked up once in a while has been
        with counted(world.store) as seen:
            await done(world.as_(person).get(where))
        counts[what] = seen.count
    with counted(world.store) as seen:
        await done(world.as_("vera").post(path("shop-00") + "/check", json={"submission": submission(SERVICES)}))
    counts["check"] = seen.count
    with counted(world.store) as seen:
        await done(world.as_("dora").post(path("shop-00") + "/plan", json={"submission": submission(SERVICES)}))
    counts["plan"] = seen.count
    return counts


@pytest.mark.timeout(240)
async def test_every_reading_endpoint_takes_as_many_statements_for_fifty_of_everything_as_for_one(world: World) -> None:
    await grow(world, 0)
    one = await statements(world)
    for number in range(1, MANY):
        await grow(world, number)
    many = await statements(world)
    assert len((await world.as_("vera").get(path())).json()) == MANY
    assert many == one
    assert max(one.values()) <= 20, one


async def test_a_pass_of_the_controller_over_one_stack_does_not_read_the_others(world: World) -> None:
    counts = []
    for number in range(5):
        await done(world.up(f"shop-{number}", services=SERVICES))
        await world.settle(f"shop-{number}")
        with counted(world.store) as seen:
            await world.passes.run(DeploymentKey(*("lab", "development", f"shop-{number}")))  # type: ignore[arg-type] - they are names
        counts.append(seen.count)
    assert len(set(counts)) == 1
