"""Upgrades as one sees them: how they end, what they ask for, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spin.cli import progress
from support.fake_api import NOTHING, FakeApi, Problem, change, container, service, view

STACK = "/projects/demo/environments/development/stacks/shop"
NOW = "2026-01-01T00:00:00+00:00"


def upgrade(*, complete: bool = False, failed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"base": 2, "since": NOW, "complete": NOW if complete else None, "failed": failed}
    return base | {"on_failure": None, "confirm_at": None} | more


FAILURE = {
    "service": "web",
    "reason": "shop-web-1: exited with 1",
    "when": NOW,
    "log": ["Traceback:", "KeyError: 'DB\x1b[31m'"],
    "held": ["api", "web"],
}
UPGRADING = view(state="upgrading", revision=3, services=(service("web", "upgrading", 1),), upgrade=upgrade())
UPGRADED = view(
    state="upgraded",
    revision=3,
    services=(service("web", "upgraded"),),
    upgrade=upgrade(complete=True),
    urls=["http://web.shop.development.spin.localhost:8080/"],
)
FAILED = view(
    state="failed", revision=3, services=(service("web", "failed", detail="the upgrade failed"),), upgrade=upgrade(failed=FAILURE)
)


@pytest.fixture
def shop(api: FakeApi, home: Path) -> FakeApi:
    (home / "compose.yaml").write_text("services: {web: {image: web:1}}\n")
    api.script["shop"] = [UPGRADING, UPGRADED]
    changes = {**NOTHING, "services": [change("web", "change", ("environment.MODE", "fast", "slow"))]}
    api.preview = {"changes": changes, "findings": [], "empty": False, "generation": 1}
    api.accepted = {"revision": 3, "base": 2, "changes": changes}
    return api


def test_an_upgrade_ends_with_what_to_type(shop, spin) -> None:
    done = spin("up")
    assert (done.status, done.out) == (0, "http://web.shop.development.spin.localhost:8080/\n")
    last = done.err.splitlines()[-1]
    assert last.startswith("shop is upgraded in development (")
    assert last.endswith(
        "). `spin confirm shop -e development` keeps it, `spin rollback shop -e development` goes back to revision 2."
    )


def test_what_a_service_has_said_is_not_said_again_of_the_stack() -> None:
    waiting = service("web", "upgrading", 0, detail="being created")
    assert progress.progress_lines(None, view(services=(waiting,), detail="web: being created")) == [  # type: ignore[arg-type]
        "[web] upgrading 0/1  being created"
    ]
    lines = progress.progress_lines(None, view(services=(waiting,), detail="the engine does not answer"))  # type: ignore[arg-type]
    assert lines[-1] == "shop: the engine does not answer"


def test_an_upgrade_that_will_be_confirmed_by_itself_says_so(shop, spin) -> None:
    shop.script["shop"] = [{**UPGRADED, "upgrade": upgrade(complete=True, confirm_at=NOW)}]
    assert "confirmed by itself otherwise" in spin("up").err


def test_an_upgrade_that_fails_ends_with_the_reason_the_last_lines_and_what_serves(shop, spin) -> None:
    shop.script["shop"] = [UPGRADING, FAILED]
    done = spin("up")
    assert (done.status, done.out) == (1, "")
    lines = done.err.splitlines()
    assert lines[-3:] == [
        "  | Traceback:",
        "  | KeyError: 'DB'",
        (
            "spin: The upgrade of shop to revision 3 has failed in development: shop-web-1: exited with 1. "
            "api, web: as in revision 2. `spin rollback shop -e development` gives it up; `spin up` tries again."
        ),
    ]


def test_a_rollback_that_nobody_asked_for_is_no_success(shop, spin) -> None:
    note = "Revision 3 failed: shop-web-1: exited with 1\nTraceback:\nKeyError: 'DB'"
    back = view(revision=4, origin="rollback", author="spin", note=note, services=(service("web"),), urls=["http://web/"])
    shop.script["shop"] = [UPGRADING, {**back, "state": "rolling-back", "settled": False}, back]
    done = spin("up")
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[-3:] == [
        "  | Traceback:",
        "  | KeyError: 'DB'",
        "spin: shop was rolled back to revision 2 in development by spin: Revision 3 failed: shop-web-1: exited with 1.",
    ]


def test_a_change_that_somebody_else_has_followed_by_another_says_so(shop, spin) -> None:
    shop.script["shop"] = [view(revision=4, author="otto", services=(service("web"),))]
    done = spin("up")
    assert done.status == 0
    assert "Revision 3 was followed by revision 4 (up, otto)." in done.err


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ([], {}),
        (["--upgrade", "--wait"], {}),
        (["--force"], {"force": True}),
        (["--force-upgrade"], {"force": True}),
        (["--rollback-on-failure"], {"on_failure": "rollback"}),
        (["--no-rollback-on-failure"], {"on_failure": "pause"}),
    ],
)
def test_the_flags_of_up(shop, spin, arguments: list[str], sent: dict[str, Any]) -> None:
    assert spin("up", *arguments).status == 0
    body = shop.posted("/stacks/shop")
    assert {name: body[name] for name in body if name not in ("submission", "expect_generation")} == sent
    assert shop.posted("/plan").get("force") == sent.get("force")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--confirm-upgrade", "--rollback"],
        ["--rollback", "--render"],
        ["--confirm-upgrade", "--force"],
        ["--rollback", "--force-upgrade"],
        ["--upgrade", "--rollback"],
        ["--confirm-upgrade", "--rollback-on-failure"],
        ["--render", "--no-rollback-on-failure"],
        ["--wait", "-d"],
    ],
    ids=" ".join,
)
def test_flags_that_contradict_each_other_are_a_usage_error_and_nothing_is_sent(shop, spin, arguments: list[str]) -> None:
    done = spin("up", *arguments)
    assert done.status == 2
    assert "exclude each other" in done.err
    assert shop.seen == []


def test_up_with_the_words_of_the_original_does_what_the_commands_do(shop, spin) -> None:
    shop.script["shop"] = [UPGRADED]
    assert spin("up", "--confirm-upgrade", "-d").status == 0
    assert spin("up", "--rollback", "-d", "-m", "too slow").status == 0
    assert shop.methods() == [f"POST {STACK}/confirm", f"POST {STACK}/rollback"]
    assert shop.posted("/rollback") == {"expect_generation": 1, "note": "too slow"}
    rendered = spin("up", "--render")
    assert rendered.status == 0
    assert "image: docker.io/library/web:1" in rendered.out
    assert len(shop.methods()) == 2


def test_confirm_waits_until_the_old_containers_are_gone(shop, spin) -> None:
    cleaning = view(state="upgrading", revision=3, generation=2, services=(service("web", "upgrading"),))
    shop.accepted["generation"] = 2
    shop.script["shop"] = [UPGRADED, cleaning, view(revision=3, generation=2, services=(service("web"),))]
    done = spin("confirm", "shop")
    assert done.status == 0
    assert shop.posted("/confirm") == {"expect_generation": 1}
    assert "Revision 3 of shop in development is confirmed." in done.err
    assert "shop is healthy in development" in done.err.splitlines()[-1]


def test_confirming_where_nothing_is_unconfirmed_succeeds_and_says_so(shop, spin) -> None:
    shop.script["shop"] = [view(revision=3, services=(service("web"),))]
    done = spin("confirm", "shop")
    assert (done.status, done.err) == (0, "Nothing to confirm: revision 3 of shop in development is the confirmed one.\n")


def test_a_confirmation_that_is_refused_says_what_to_do(shop, spin) -> None:
    shop.answers["POST", f"{STACK}/confirm"] = Problem("conflict", "The upgrade is not complete: wait.")
    done = spin("confirm", "shop")
    assert (done.status, done.err) == (1, "spin: The upgrade is not complete: wait.\n")


def test_a_rollback_says_what_changes_and_follows(shop, spin) -> None:
    back = view(revision=4, origin="rollback", generation=2, services=(service("web"),))
    shop.accepted |= {"generation": 2, "revision": 4, "base": None}
    shop.script["shop"] = [UPGRADED, {**back, "state": "rolling-back", "settled": False}, back]
    done = spin("rollback", "shop")
    assert done.status == 0, done.err
    assert shop.posted("/rollback") == {"expect_generation": 1}
    assert done.err.splitlines()[:3] == [
        "shop in development (project demo): back to revision 2: 1 to change.",
        "  ~ service web (containers are replaced)",
        "      environment.MODE: fast → slow",
    ]
    assert "shop is healthy in development" in done.err.splitlines()[-1]


def test_a_rollback_to_an_earlier_revision_is_an_upgrade(shop, spin) -> None:
    shop.script["shop"] = [{**UPGRADED, "revision": 3}]
    done = spin("rollback", "shop", "--to", "1", "-m", "why")
    assert done.status == 0
    assert shop.posted("/rollback") == {"to": 1, "expect_generation": 1, "note": "why"}
    assert "back to revision 1" in done.err
    assert "`spin confirm shop -e development`" in done.err
    assert spin("rollback", "shop", "--to", "0").status == 2


def test_revisions_are_listed_with_what_they_are_and_what_they_changed(shop, spin) -> None:
    one = {
        "origin": "up",
        "author": "maria",
        "created": NOW,
        "note": "",
        "desired": False,
        "confirmed": False,
        "changed": ["+web"],
    }
    listed = [
        one | {"number": 3, "desired": True, "changed": ["web: image, environment.MODE", "-cache"], "note": "why\nTraceback"},
        one | {"number": 2, "confirmed": True, "origin": "scale", "changed": ["web: replicas"]},
        one | {"number": 1},
    ]
    shop.answers["GET", f"{STACK}/revisions"] = listed
    done = spin("revisions", "shop")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["REVISION", "IS", "MADE", "BY", "AUTHOR", "CREATED", "CHANGED", "NOTE"]
    assert rows[1][:4] == ["3", "unconfirmed", "up", "maria"]
    assert "web: image, environment.MODE; -cache  why" in done.out
    assert "Traceback" not in done.out
    assert rows[2][:4] == ["2", "confirmed", "scale", "maria"]
    assert rows[3][:3] == ["1", "up", "maria"]
    assert json.loads(spin("revisions", "shop", "--json", "-n", "2").out) == listed
    assert shop.seen[-1].query == {"last": "2"}


@pytest.mark.parametrize(
    ("arguments", "query"), [([], {}), (["2"], {"old": "2"}), (["1", "2"], {"old": "1", "new": "2"})], ids=str
)
def test_diff_prints_what_differs(shop, spin, arguments: list[str], query: dict[str, str]) -> None:
    answer = {"old": 2, "new": 3, "changes": shop.preview["changes"]}
    shop.answers["GET", f"{STACK}/diff"] = answer
    done = spin("diff", "shop", *arguments)
    assert (done.status, shop.seen[-1].query) == (0, query)
    assert done.out == "  ~ service web (containers are replaced)\n      environment.MODE: fast → slow\n"
    assert done.err == "shop in development: revision 2 → 3: 1 to change.\n"
    assert json.loads(spin("diff", "shop", "--json").out) == answer


@pytest.mark.parametrize("number", ["x", "0", "-1"])
def test_a_revision_is_a_number(shop, spin, number: str) -> None:
    assert spin("diff", "shop", number).status == 2
    assert shop.seen == []


def test_ps_shows_what_is_upgraded_and_what_is_kept(shop, spin) -> None:
    old = container("shop-web-1", "web", id="beef" * 16, phase="exited", current=False, routed=False, kept=True, detail="exited")
    shop.script["shop"] = [{**UPGRADED, "containers": [container("shop-web-1", "web"), old]}]
    services = spin("ps", "shop")
    assert "upgraded" in services.out
    assert "`spin confirm shop -e development` keeps it" in services.err
    rows = spin("ps", "shop", "--containers").out.splitlines()
    assert "beefbeefbeef  exited (kept)" in rows[2]


@pytest.mark.parametrize(
    ("shown", "gated"),
    [
        (None, False),
        (upgrade(), True),
        (upgrade(complete=True), False),
        (upgrade(failed=FAILURE), False),
    ],
)
def test_only_an_upgrade_that_the_platform_still_judges_is_waited_for(shown: Any, gated: bool) -> None:
    assert progress.is_gated(view(upgrade=shown)) is gated  # type: ignore[arg-type]


def test_an_upgrade_that_does_not_come_up_is_not_given_up_before_the_platform_does(shop, spin, monkeypatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    sick = service("web", "degraded", 1, detail="unhealthy; earlier containers still serve")
    stuck = [view(state="degraded", revision=3, detail=str(n), services=(sick,), upgrade=upgrade()) for n in range(3)]
    shop.script["shop"] = [*stuck, FAILED]
    assert "The upgrade of shop to revision 3 has failed" in spin("up").err
    stumbled = view(state="failed", revision=3, services=(service("web", "failed", 1, detail="no answer"),), upgrade=upgrade())
    monkeypatch.setattr(progress, "PATIENCE", 30.0)
    shop.script["shop"] = [stumbled, UPGRADING, UPGRADED]
    assert spin("up").status == 0, "a step that failed once is no verdict"
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    shop.script["shop"] = [stumbled, {**stumbled, "detail": "again"}, UPGRADED]
    assert "shop has failed in development" in spin("up").err
    shop.script["shop"] = [{**one, "upgrade": None} for one in stuck] + [UPGRADED]
    assert "does not come up in development" in spin("up").err
