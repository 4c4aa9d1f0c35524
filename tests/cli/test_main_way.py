"""The main way, against the real control plane: sign in, check, run, look, scale, copy, remove, and what it refuses."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spin.engines.simulated import Behaviour
from support.served_api import Served, served_api

Spin = Callable[..., Any]
COMPOSE = """services:
  web:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/web:${TAG:-1}
    environment: {MODE: "${MODE:-fast}"}
    x-spin: {http: 8080}
    depends_on: {db: {condition: service_healthy}}
  db:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/web:1
    volumes: ["data:/data"]
volumes: {data: {}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A stack's name that no other test has."""
    return f"t{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def lab(served: Served, home: Path, name: str, spin: Spin, monkeypatch: pytest.MonkeyPatch) -> Spin:
    """The command line, signed in as the owner of the project `lab`, in a directory with a Compose file."""
    monkeypatch.setenv("SPIN_URL", served.url)
    monkeypatch.setenv("SPIN_TOKEN", served.keys["otto"])
    monkeypatch.setenv("SPIN_STACK", name)
    (home / "compose.yaml").write_text(COMPOSE)
    return spin


def test_a_stack_is_checked_run_looked_at_scaled_copied_and_removed(lab, name, home) -> None:
    checked = lab("check")
    assert checked.status == 0, checked.err

    up = lab("up", "-m", "first")
    assert up.status == 0, up.err
    assert up.out == f"http://web.{name}.development.spin.localhost:8080/\n"
    assert "  + service web\n" in up.err
    assert "[web] healthy 1/1\n" in up.err
    assert up.err.index("[db] healthy") < up.err.index("[web] healthy")

    assert [s["name"] for s in json.loads(lab("ps", name, "--json").out)] == ["db", "web"]
    assert f"{name}-web-1" in lab("ps", name, "--containers").out
    assert f"http://web.{name}.development" in lab("stack", "ls").out
    assert lab("logs", f"{name}/web/1", "--tail", "5").status == 0

    scaled = lab("scale", f"{name}/web=3")
    assert scaled.status == 0, scaled.err
    assert "replicas: 1 → 3" in scaled.err
    assert "running containers stay" in scaled.err
    assert "[web] healthy 3/3" in scaled.err

    promoted = lab("promote", name, "--to", "production")
    assert promoted.status == 0, promoted.err
    assert promoted.out == f"http://web.{name}.production.spin.localhost:8080/\n"
    both = [json.loads(lab("inspect", f"{name}/web", "-e", e).out) for e in ("development", "production")]
    assert both[0]["digest"] == both[1]["digest"]

    removed = lab("rm", name)
    assert removed.status == 0, removed.err
    assert lab("inspect", name).status == 5
    assert lab("inspect", name, "-e", "production").status == 0


def test_an_upgrade_shows_what_differs_and_plan_does_nothing(lab, name, monkeypatch) -> None:
    assert lab("up").status == 0
    monkeypatch.setenv("MODE", "slow")
    planned = lab("plan")
    assert "  ~ service web\n      environment.MODE: fast → slow\n" in planned.out.replace(" (containers are replaced)", "")
    assert json.loads(lab("inspect", name).out)["revision"] == 1
    assert lab("up").status == 0
    assert json.loads(lab("inspect", name).out)["revision"] == 2
    again = lab("up")
    assert again.status == 0
    assert "nothing to change" in again.err
    assert json.loads(lab("inspect", name).out)["revision"] == 2


def test_an_upgrade_is_confirmed_or_rolled_back_and_its_revisions_are_told(lab, name, monkeypatch) -> None:
    def containers() -> dict[str, bool]:
        """The ids of web's containers, and whether they are kept."""
        return {c["id"]: c["kept"] for c in json.loads(lab("inspect", f"{name}/web").out)["containers"]}

    def up(mode: str) -> Any:
        monkeypatch.setenv("MODE", mode)
        return lab("up")

    assert up("one").status == 0
    [first] = containers()
    upgraded = up("two")
    assert upgraded.status == 0, upgraded.err
    assert f"`spin confirm {name} -e development` keeps it" in upgraded.err.splitlines()[-1]
    assert containers()[first] is True
    assert "exited (kept)" in lab("ps", name, "-c").out

    back = lab("rollback", name)
    assert back.status == 0, back.err
    assert f"{name} is healthy in development" in back.err
    assert containers() == {first: False}
    assert lab("rollback", name).status == 1
    assert lab("confirm", name).status == 1

    assert up("three").status == 0
    confirmed = lab("confirm", name)
    assert confirmed.status == 0, confirmed.err
    assert first not in containers()
    assert lab("confirm", name).status == 0
    listed = json.loads(lab("revisions", name, "--json").out)
    assert [(r["number"], r["origin"]) for r in listed] == [(4, "up"), (3, "rollback"), (2, "up"), (1, "up")]
    assert lab("diff", name).out.splitlines()[-1] == "      environment.MODE: one → three"

    earlier = lab("rollback", name, "--to", "2")
    assert earlier.status == 0, earlier.err
    assert f"{name} is upgraded in development" in earlier.err
    assert lab("up", "--confirm-upgrade", "-s", name).status == 0


def test_an_upgrade_that_fails_ends_with_an_error_and_the_old_containers_serve(lab, name, served, monkeypatch) -> None:
    monkeypatch.setenv("MODE", "good")
    assert lab("up").status == 0
    monkeypatch.setenv("MODE", "bad")
    served.engine.behave("web", Behaviour(ready_after=None, exits_after=timedelta(seconds=0.1), exit_code=3))
    try:
        failed = lab("up", "--timeout", "60")
        rolled_back = lab("up", "--timeout", "60", "--rollback-on-failure")
    finally:
        served.engine.behave("web", Behaviour())
    assert failed.status == 1
    assert f"The upgrade of {name} to revision 2 has failed in development: {name}-web-1:" in failed.err
    assert "web: as in revision 1" in failed.err
    assert rolled_back.status == 1
    assert f"{name} was rolled back to revision 1 in development by spin: Revision 2 failed: {name}-web-1:" in rolled_back.err
    view = json.loads(lab("inspect", name).out)
    assert (view["state"], view["origin"], view["upgrade"]) == ("healthy", "rollback", None)


def test_stop_start_and_restart_end_when_it_is_so(lab, name) -> None:
    assert lab("up").status == 0
    assert lab("stop", name).status == 0
    assert json.loads(lab("inspect", name).out)["state"] == "stopped"
    assert "not running; --all shows them" in lab("ps", name).err
    assert lab("start", name).status == 0
    before = {c["id"] for c in json.loads(lab("inspect", name).out)["containers"]}
    assert lab("restart", f"{name}/web").status == 0
    after = json.loads(lab("inspect", name).out)
    assert after["state"] == "healthy"
    assert len(before & {c["id"] for c in after["containers"]}) == 1


def test_what_the_rules_refuse_comes_all_at_once_with_places(lab, name, home) -> None:
    (home / "compose.yaml").write_text(
        COMPOSE.replace("    environment:", "    privileged: true\n    pid: host\n    environment:")
    )
    for command in ("up", "plan", "check"):
        done = lab(command)
        assert done.status == 3
        said = done.out + done.err
        assert "compose.yaml:4" in said
        assert "privileged" in said
        assert "compose.yaml:5" in said
    assert lab("inspect", name).status == 5


def test_every_image_that_is_not_there_is_named(lab, name, home) -> None:
    (home / "compose.yaml").write_text(COMPOSE.replace("/web:", "/nothing:"))
    done = lab("up")
    assert done.status == 5
    assert "nothing:1" in done.err
    assert done.out == ""


def test_a_stack_that_fails_says_why(lab, name, served) -> None:
    served.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=None))
    try:
        done = lab("up", "--timeout", "2")
    finally:
        served.engine.behave("web", Behaviour())
    assert done.status == 1
    assert "[web]" in done.err
    assert "It goes on" in done.err


def test_secrets_travel_with_the_file_and_are_listed_without_their_value(lab, name, home) -> None:
    (home / "pw").write_text("correct horse")
    secrets = "    secrets: [pw]\nvolumes: {data: {}}\nsecrets: {pw: {file: ./pw}}\n"
    (home / "compose.yaml").write_text(COMPOSE.replace("volumes: {data: {}}\n", secrets))
    shown = [lab("up"), lab("secret", "ls"), lab("secret", "ls", "--json"), lab("inspect", name), lab("render"), lab("plan")]
    assert all(done.status == 0 for done in shown)
    assert f"{name}.pw" in shown[1].out
    assert not any("correct horse" in done.out + done.err for done in shown)
    missing = lab("promote", name, "--to", "production")
    assert missing.status != 0
    assert f"{name}.pw" in missing.err
    given = lab("promote", name, "--to", "production", "--secret", f"{name}.pw=pw")
    assert given.status == 0, given.err


def test_an_exported_stack_is_the_same_stack(lab, name, home) -> None:
    assert lab("up").status == 0
    exported = lab("export", name, "-o", "out")
    assert exported.status == 0, exported.err
    again = lab("plan", "-f", "out/compose.yaml")
    assert (again.status, again.out) == (0, ""), again.err


def test_what_runs_is_drawn_as_the_file_is(lab, name, home) -> None:
    assert lab("up").status == 0
    of_file, of_stack = lab("diagram"), lab("diagram", name)
    assert (of_stack.status, of_stack.err) == (0, "")
    assert of_stack.out == of_file.out
    assert f"http://web.{name}.development.spin.localhost:8080/" in of_stack.out
    assert lab("rm", name, "--volumes", "--yes").status == 0


def test_a_stranger_finds_nothing(lab, name, served, monkeypatch) -> None:
    assert lab("up").status == 0
    monkeypatch.setenv("SPIN_TOKEN", served.keys["sam"])
    assert lab("ps", name, "-p", "lab").status == 5
    assert lab("rm", name).status == 5
    assert lab("stack", "ls").status == 0
    monkeypatch.setenv("SPIN_TOKEN", served.keys["vera"])
    assert lab("ps", name).status == 0
    assert lab("rm", name).status == 4
    monkeypatch.setenv("SPIN_TOKEN", served.keys["otto"])


def test_people_projects_and_keys(served, lab, monkeypatch, home) -> None:
    monkeypatch.setenv("SPIN_TOKEN", served.keys["root"])
    assert lab("user", "create", "paul", "--password-file", "-", stdin="trustno1-trustno1\n").status == 0
    assert "paul" in lab("user", "ls").out
    assert lab("project", "create", "wiki").status == 0
    assert lab("project", "member", "set", "paul", "developer", "-p", "wiki").status == 0
    assert "paul" in lab("project", "member", "ls", "-p", "wiki").out
    monkeypatch.delenv("SPIN_TOKEN")
    signed_in = lab("login", "--user", "paul", stdin="trustno1-trustno1\n")
    assert signed_in.status == 0, signed_in.err
    assert "as paul, project wiki" in signed_in.err
    assert json.loads(lab("whoami", "--json").out)["projects"] == [{"name": "wiki", "role": "developer"}]
    made = lab("key", "create", "laptop", "--expires-days", "3")
    assert made.out.startswith("spin_")
    assert "in 2 days" in lab("key", "ls").out or "in 3 days" in lab("key", "ls").out
    assert lab("logout").status == 0
    assert lab("whoami").status == 4
    monkeypatch.setenv("SPIN_TOKEN", made.out.strip())
    listed = json.loads(lab("key", "ls", "--json").out)
    assert [k["name"] for k in listed] == ["laptop"]


def test_environments_and_volumes_are_listed(lab, name) -> None:
    assert lab("up").status == 0
    environments = lab("environment", "ls").out
    assert environments.splitlines()[1].split()[:2] == ["development", "ready"]
    assert f"{name}/data" in lab("volume", "ls").out


def test_an_address_is_opened_in_a_window_or_only_printed(lab, name, monkeypatch) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(variable, raising=False)
    assert lab("up").status == 0
    done = lab("open", name)
    assert (done.status, done.out) == (0, f"http://web.{name}.development.spin.localhost:8080/\n")
    assert done.err == "There is no browser here to open it in.\n", "one for terminals would take over this one"


def test_what_happened_and_who_asked_for_it_is_told(lab, name, monkeypatch) -> None:
    lab("up", "-m", "first")
    lab("rm", name, "--yes")
    lab("stop", f"{name}/web")
    happened = lab("events", f"{name}/web")
    assert happened.status == 0, happened.err
    assert "web: initializing -> healthy" in happened.out
    assert " -- " in next(line for line in happened.out.splitlines() if "create web-1" in line)
    everything = lab("events", "--last", "1000")
    assert f"development/{name}  otto: revision 1:" in everything.out
    asked = lab("audit", name)
    first, second, *_ = asked.out.splitlines()
    assert "accepted  otto (127.0.0.1 key " in first
    assert first.endswith(" -- first")
    assert "the stack is to be removed" in second
    assert "refused" in lab("audit", name, "--only", "refused").out
    assert json.loads(lab("audit", name, "--json").out)[0]["verb"] == "up"
    assert lab("audit", "--site").status == 4
    assert lab("audit", "--site", "-p", "lab").status == 2
    monkeypatch.setenv("SPIN_PROJECT", "lab")
    assert lab("audit", "--site").status == 4, "a project that the surroundings name is not asked for"
    assert lab("events", "nothing-like-it").err == "Nothing is known to have happened to nothing-like-it in development.\n"
