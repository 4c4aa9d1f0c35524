"""The journal over the API: who asked for what and what came of it; what happened to stacks; who may read it."""

from __future__ import annotations

import ast
import asyncio
import base64
import importlib
import inspect
import pkgutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spin import usecases
from spin.engines.simulated import Behaviour
from spin.usecases.guard import MOST_REFUSALS
from support.api import World, path, web

EVENTS = "/projects/lab/events"
AUDIT = "/projects/lab/audit"


async def _audit(world: World, person: str = "vera", **query: Any) -> list[dict[str, Any]]:
    answer = await world.as_(person).get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def _events(world: World, **query: Any) -> list[dict[str, Any]]:
    answer = await world.as_("vera").get(EVENTS, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def test_every_accepted_change_is_in_the_audit_with_who_and_from_where(world: World) -> None:
    dora, otto, root = world.as_("dora"), world.as_("otto"), world.as_("root")
    await world.up(note="first light")
    await world.settle()
    await dora.post(path("shop/scale"), json={"replicas": {"web": 2}})
    await world.settle()
    await world.up(services={"web": web(environment={"A": "1"})})
    await world.settle()
    await dora.post(path("shop/confirm"), json={})
    for verb in ("stop", "start", "restart"):
        await dora.post(path(f"shop/{verb}"), json={"services": ["web"]})
        await world.settle()
    await dora.put("/projects/lab/environments/development/secrets/key", json={"value": base64.b64encode(b"x").decode()})
    await dora.delete("/projects/lab/environments/development/secrets/key")
    await otto.put("/projects/lab/members/sam", json={"role": "viewer"})
    await otto.delete("/projects/lab/members/sam")
    await dora.post(path("shop/promote"), json={"to": "production", "secrets": {}})
    await dora.delete(path("shop"))
    found = await _audit(world)
    assert [(e["verb"], e["text"]) for e in found if e["kind"] == "accepted"] == [
        ("up", "revision 1: web added, default added"),
        ("scale", "revision 2: web changed"),
        ("up", "revision 3: web changed"),
        ("confirm", "revision 3 is confirmed"),
        ("stop", "stop web"),
        ("start", "start web"),
        ("restart", "restart web"),
        ("secret create", "version 1 of the secret key"),
        ("secret rm", "the secret key is removed"),
        ("project member set", "sam is viewer"),
        ("project member rm", "sam is no longer a member"),
        ("promote", "revision 1: web added, default added"),
        ("rm", "the stack is to be removed"),
    ]
    first = found[0]
    assert (first["actor"], first["cause"], first["revision"]) == ("dora", "first light", 1)
    assert first["caller"]["key"] == world.keys["dora"].split("_")[1]
    assert first["caller"]["agent"].startswith("python-httpx")
    assert first["caller"]["address"] == "127.0.0.1"
    assert len(first["caller"]["request"]) >= 8
    assert {e["environment"] for e in found if e["verb"] == "promote"} == {"production"}
    await root.post("/users", json={"name": "uwe"})
    await root.post("/projects", json={"name": "maps"})
    made = (await root.post("/keys", json={"name": "ci"})).json()
    await root.delete(f"/keys/{made['id']}")
    site = (await root.get("/audit", params={"user": "root"})).json()
    assert [e["verb"] for e in site] == ["user create", "project create", "key create", "key rm"]
    assert made["key"] not in str(site)


async def test_every_refused_change_is_in_the_audit_with_the_reason(world: World) -> None:
    await world.up(services={"web": web(privileged=True)})
    await world.up(person="vera")
    await world.as_("dora").post(path("nothing/stop"), json={"services": []})
    found = await _audit(world, kind="refused")
    assert [(e["actor"], e["verb"], e["stack"], e["code"]) for e in found] == [
        ("dora", "up", "shop", "refused"),
        ("vera", "up", "shop", "not-allowed"),
        ("dora", "stop", "nothing", "not-found"),
    ]
    assert "rights on the host" in found[0]["cause"]
    assert "developer" in found[1]["cause"]


async def test_an_attempt_of_a_stranger_is_told_to_the_projects_own_people(world: World) -> None:
    answer = await world.as_("sam").delete(path("shop"))
    assert answer.status_code == 404
    (found,) = await _audit(world, kind="refused")
    assert (found["actor"], found["verb"], found["project"]) == ("sam", "rm", "lab")
    missing = await world.as_("sam").delete(path("shop", project="no-such"))
    assert missing.status_code == 404
    site = (await world.as_("root").get("/audit", params={"user": "sam"})).json()
    assert [e["project"] for e in site] == ["lab", None]
    assert "no-such" in site[1]["cause"]


async def test_looking_planning_and_checking_leave_nothing_in_the_journal(world: World) -> None:
    await world.plan(services={"web": web(privileged=True)})
    await world.as_("dora").post(path("shop/scale"), json={"replicas": {"web": 2}, "dry_run": True})
    await world.as_("sam").get(path("shop"))
    assert await world.journal() == ()


async def test_who_is_refused_without_end_does_not_fill_the_store(world: World) -> None:
    for _ in range(MOST_REFUSALS + 5):
        await world.as_("vera").delete(path("shop"))
    assert len(await world.journal()) == MOST_REFUSALS


async def test_a_change_that_changes_nothing_is_no_event(world: World) -> None:
    await world.up()
    await world.settle()
    before = len(await _audit(world))
    await world.up()
    await world.as_("dora").post(path("shop/start"), json={"services": ["nope"]})
    assert [e["kind"] for e in (await _audit(world))[before:]] == ["refused"]


async def test_what_happened_to_a_stack_is_told_with_causes_and_stays_when_the_stack_is_gone(world: World) -> None:
    await world.up(services={"web": web(x_spin={"http": 8080})})
    await world.settle()
    await world.as_("dora").delete(path("shop"))
    await world.settle()
    found = await _events(world, stack="shop", environment="development")
    texts = [e["text"] for e in found]
    assert texts[0] == "revision 1: web added, default added"
    assert "shop: initializing -> healthy" in texts
    assert any(t.startswith("route to shop-web-1-") for t in texts)
    assert texts[-1] == "shop: removing -> removed"
    steps = [e for e in found if e["kind"] == "step"]
    assert steps
    assert all(e["cause"] for e in steps)
    assert [e["number"] for e in found] == sorted(e["number"] for e in found)
    assert await _events(world, stack="shop", environment="production") == []


async def test_an_automatic_rollback_is_the_platforms_own_decision(world: World) -> None:
    await world.up()
    await world.settle()
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=timedelta(seconds=1)))
    await world.up(services={"web": web(environment={"A": "1"})}, on_failure="rollback")
    await world.settle()
    (found,) = await _audit(world, kind="decided")
    assert (found["actor"], found["verb"], found["text"]) == ("spin", "rollback", "revision 3: rolled back")
    assert found["cause"].startswith("Revision 2 failed: shop-web-1")


async def test_a_follower_gets_what_happens_next_and_nothing_twice(world: World) -> None:
    await world.up()
    await world.settle()
    newest = (await _events(world))[-1]["number"]
    waiting = asyncio.ensure_future(world.as_("vera").get(EVENTS, params={"after": newest, "wait": 20}))
    await asyncio.sleep(0)
    await world.as_("dora").post(path("shop/stop"), json={"services": []})
    found = (await waiting).json()
    assert found[0]["text"] == "stop the whole stack"
    assert (await _events(world, after=found[-1]["number"])) == []


@pytest.mark.parametrize("address", [EVENTS, AUDIT])
async def test_strangers_do_not_see_that_there_is_a_project(world: World, address: str) -> None:
    assert (await world.as_("sam").get(address)).status_code == 404
    assert (await world.as_("").get(address)).status_code == 401


async def test_the_whole_sites_audit_is_for_operators(world: World) -> None:
    assert (await world.as_("otto").get("/audit")).status_code == 403
    assert (await world.as_("root").get("/audit")).status_code == 200


def test_every_use_case_that_writes_is_audited() -> None:
    """A write transaction in a use case with a principal means a change that somebody asked for: `audited` must be around it."""
    lacking = []
    for module in pkgutil.iter_modules(usecases.__path__):
        loaded: Any = importlib.import_module(f"spin.usecases.{module.name}")
        tree = ast.parse(Path(inspect.getfile(loaded)).read_text())
        for function in tree.body:
            if not isinstance(function, ast.AsyncFunctionDef) or function.name.startswith("_"):
                continue
            arguments = {a.arg for a in function.args.args}
            writes = any(
                isinstance(node, ast.keyword)
                and node.arg == "write"
                and isinstance(node.value, ast.Constant)
                and node.value.value
                for node in ast.walk(function)
            )
            if writes and "principal" in arguments and not hasattr(getattr(loaded, function.name), "__audited__"):
                lacking.append(f"{module.name}.{function.name}")
    assert lacking == []
