"""Every way by which a revision is made passes the same audit, by the rules of today."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from spin.model.finding import Severity
from spin.model.revision import Origin
from spin.rules import read_site
from support.api import SITE, World, path, submission, web

SOURCES = Path(__file__).resolve().parents[2] / "src" / "spin"
STRICT = read_site('id = "t-api"\n[rules.latest]\nseverity = "refuse"\ntags = ["1"]\n[rules.no-limits]\nseverity = "off"')
"""A site whose operators have become stricter since the stack came up: the tag that it has is refused now."""

WAYS: dict[str, tuple[str, str, dict[str, object]]] = {
    "up": ("PUT", "", {"submission": submission()}),
    "up --force": ("PUT", "", {"submission": submission(), "force": True}),
    "plan": ("POST", "/plan", {"submission": submission()}),
    "promote": ("POST", "/promote", {"to": "production"}),
    "plan of promote": ("POST", "/promote", {"to": "production", "dry_run": True}),
    "scale": ("POST", "/scale", {"replicas": {"web": 3}}),
    "plan of scale": ("POST", "/scale", {"replicas": {"web": 3}, "dry_run": True}),
    "rollback --to": ("POST", "/rollback", {"to": 1}),
}
"""Every verb that makes a revision or shows what it would be: method, path below the stack's, body."""


async def stricter(world: World) -> None:
    """A stack with two confirmed revisions, and rules that it breaks."""
    assert STRICT.id == SITE.id
    for replicas in (1, 2):
        answer = await world.up(services={"web": web(deploy={"replicas": replicas})})
        assert answer.status_code == 200, answer.text
        await world.settle()
    await world.exchange(site=STRICT)


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_a_revision_is_refused_by_the_same_rule(world: World, way: str) -> None:
    await stricter(world)
    before, woken = await world.rows(), len(world.woken)
    method, below, body = WAYS[way]
    answer = await world.as_("otto").request(method, path("shop") + below, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "refused"), answer.text
    (found,) = answer.json()["fields"]["findings"]
    assert (found["rule"], found["severity"], found["service"]) == ("latest", "refuse", "web")
    assert (await world.rows(), len(world.woken)) == (before, woken)


async def test_check_finds_the_same_and_changes_nothing(world: World) -> None:
    await stricter(world)
    before = await world.rows()
    answer = (await world.as_("vera").post(path("shop") + "/check", json={"submission": submission()})).json()
    assert [(f["rule"], f["severity"]) for f in answer["findings"]] == [("latest", "refuse")]
    assert answer["ok"] is False
    assert await world.rows() == before


@pytest.mark.parametrize("verb", ["restart", "stop", "start"])
async def test_what_makes_no_revision_goes_on_with_the_one_that_was_accepted(world: World, verb: str) -> None:
    await stricter(world)
    before = await world.rows()
    answer = await world.as_("dora").post(path("shop") + f"/{verb}", json={})
    assert answer.status_code == 200, answer.text
    assert await world.rows() == before


async def test_the_way_back_from_an_unconfirmed_upgrade_is_never_barred(world: World) -> None:
    """What ran a moment ago was admitted, and its containers are there: a rule of today must not keep people in a broken upgrade."""
    assert (await world.up()).status_code == 200
    await world.settle()
    assert (await world.up(services={"web": web(environment={"A": "b"})})).status_code == 200
    await world.exchange(site=STRICT)
    answer = await world.as_("dora").post(path("shop") + "/rollback", json={})
    assert answer.status_code == 200, answer.text


def callers(name: str, folder: str) -> Iterator[tuple[str, ast.AsyncFunctionDef]]:
    """Functions that call `name` (as a function or a method), with the module they are in."""
    for source in sorted((SOURCES / folder).rglob("*.py")):
        for function in ast.walk(ast.parse(source.read_text())):
            if isinstance(function, ast.AsyncFunctionDef) and name in called(function):
                yield source.relative_to(SOURCES).as_posix(), function


def called(function: ast.AsyncFunctionDef) -> list[str]:
    """Names of what it calls, in the order of the text."""
    calls = sorted((n for n in ast.walk(function) if isinstance(n, ast.Call)), key=lambda n: (n.lineno, n.col_offset))
    return [getattr(c.func, "attr", None) or getattr(c.func, "id", "") for c in calls]


def test_revisions_are_written_in_one_place_but_for_the_way_back() -> None:
    found = [one for folder in ("usecases", "reconcile", "api") for one in callers("add_revision", folder)]
    assert {(module, function.name) for module, function in found} == {
        ("usecases/record.py", "record"),
        ("usecases/rollback.py", "_return"),  # back to the confirmed revision, which was admitted
        ("reconcile/passes.py", "_write"),  # the same, where nobody asked
    }


def test_whoever_writes_or_shows_a_revision_has_it_admitted_first() -> None:
    verbs = [(module, function) for name in ("record", "preview") for module, function in callers(name, "usecases")]
    assert {module for module, _ in verbs} == {f"usecases/{verb}.py" for verb in ("deploy", "promote", "scale", "rollback")}
    for module, function in verbs:
        order = called(function)
        writes = min(order.index(name) for name in ("record", "preview") if name in order)
        assert "admit" in order[:writes], f"{module}: {function.name}"


def test_every_candidate_is_audited() -> None:
    for name in ("examine", "reexamine", "revive"):
        ((_, function),) = [(m, f) for m, f in callers("_complete", "usecases") if f.name == name]
        order = called(function)
        assert "audit" in order or "to_thread" in order
    assert {f.name for _, f in callers("_complete", "usecases")} == {"examine", "reexamine", "revive"}
    assert {o.value for o in Origin} == {"up", "scale", "promote", "rollback"}, "a new verb belongs into WAYS"
    assert Severity.REFUSE.value == "refuse"
