"""Commands that only look: data on stdout, words for people on stderr, JSON for programs."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest

from spin.cli.logs import shown as for_a_terminal
from support.fake_api import KEY, FakeApi, Problem, container, service, view

WEB = service("web", urls=["http://web.shop.development.spin.localhost:8080/"], ports=["8081->81/tcp"])
DB = service("db", "stopped", 0, 0)


@pytest.fixture
def shop(api: FakeApi) -> FakeApi:
    containers = [
        container("shop-web-1", "web"),
        container("shop-db-1", "db", phase="exited", detail="exit 0", routed=False, address=None),
    ]
    api.script["shop"] = [view(services=(WEB, DB), containers=containers, urls=WEB["urls"])]
    return api


def test_ps_lists_services_with_their_addresses_and_says_what_it_hides(shop, spin) -> None:
    done = spin("ps")
    assert done.status == 0
    heading, line = done.out.splitlines()
    assert heading.split() == ["SERVICE", "STATE", "SCALE", "IMAGE", "DIGEST", "ENDPOINTS"]
    assert line.split() == [
        "shop/web",
        "healthy",
        "1/1",
        "web:1",
        "abababababab",
        "http://web.shop.development.spin.localhost:8080/",
        "8081->81/tcp",
    ]
    assert done.err == "1 service not running; --all shows it.\n"
    assert "shop/db" in spin("ps", "--all").out


def test_ps_lists_containers_with_short_ids_and_relative_times(shop, spin) -> None:
    done = spin("ps", "shop/web", "--containers")
    assert "c0ffeec0ffee " in done.out
    assert "c0ffeec0ffeec" not in done.out
    assert " ago" in done.out
    assert done.err == ""
    hidden = spin("ps", "shop", "-c")
    assert "shop-db-1" not in hidden.out
    assert hidden.err == "1 container not running; --all shows it.\n"
    assert "exit 0" in spin("ps", "shop", "-c", "-a").out


def test_an_old_container_is_marked_as_such(api, spin) -> None:
    api.script["shop"] = [view(services=(WEB,), containers=[container("shop-web-1", "web", current=False)])]
    assert "ready (old)" in spin("ps", "-c").out


def test_json_is_the_data_itself(shop, spin) -> None:
    assert json.loads(spin("ps", "-a", "--json").out) == [{"stack": "shop", **WEB}, {"stack": "shop", **DB}]
    assert json.loads(spin("stack", "ls", "--json").out)[0]["urls"] == WEB["urls"]
    assert json.loads(spin("whoami", "--json").out)["user"] == "maria"
    assert json.loads(spin("inspect", "shop").out)["state"] == "healthy"
    one = json.loads(spin("inspect", "shop/web", "--json").out)
    assert (one["stack"], one["name"], [c["name"] for c in one["containers"]]) == ("shop", "web", ["shop-web-1"])


@pytest.mark.parametrize(
    "command",
    [
        "ps",
        "ps -c",
        "stack ls",
        "secret ls",
        "volume ls",
        "key ls",
        "user ls",
        "environment ls",
        "project ls",
        "project member ls",
        "project account ls",
    ],
)
def test_an_empty_list_says_so_on_stderr_only(api, spin, command: str) -> None:
    done = spin(*command.split())
    assert (done.status, done.out) == (0, "")
    assert done.err.strip()
    assert json.loads(spin(*command.split(), "--json").out) == []


def test_the_other_lists_are_tables_too(api, spin) -> None:
    api.answers |= {
        ("GET", "/environments"): [
            {"name": "development", "description": "try", "engine": "docker", "reachable": True, "version": "20.10", "stacks": 2}
            | {"detail": ""},
            {"name": "production", "description": "", "engine": "docker", "reachable": False, "version": "", "stacks": 0}
            | {"detail": "connection refused"},
        ],
        ("GET", "/projects/demo/volumes"): [
            {"environment": "development", "stack": "shop", "name": "data", "engine_name": "x", "created": None, "used_by": []}
        ],
        ("GET", "/projects/demo/environments/development/secrets"): [
            {"name": "shop.password", "version": 2, "author": "maria", "created": "2026-01-01T00:00:00Z"}
        ],
        ("GET", "/keys"): [
            {"id": "k1", "name": "laptop", "user": "maria", "created": "2026-01-01T00:00:00Z"}
            | {"expires": None, "last_used": None}
        ],
        ("GET", "/users"): [
            {"name": "maria", "operator": True, "created": "2026-01-01T00:00:00Z"}
            | {"identity": {"uid": 46311, "gid": 75137, "gids": [80001, 80002]}}
        ],
        ("GET", "/projects/demo/accounts"): [{"name": "gateway", "identity": {"uid": 70001, "gid": 75137, "gids": []}}],
        ("GET", "/projects"): [{"name": "demo", "role": "owner"}],
        ("GET", "/projects/demo/members"): [{"user": "maria", "role": "owner"}],
    }
    environments = spin("environment", "ls").out
    assert "unreachable" in environments
    assert "connection refused" in environments
    assert spin("volume", "ls").out.splitlines()[1].split() == ["development", "shop/data", "unused", "x"]
    assert spin("secret", "ls").out.splitlines()[1].split()[:3] == ["shop.password", "2", "maria"]
    assert spin("key", "ls").out.splitlines()[1].split()[:2] == ["k1", "laptop"]
    assert spin("user", "ls").out.splitlines()[1].split()[:2] == ["maria", "operator"]
    assert spin("user", "ls").out.splitlines()[1].split()[-2:] == ["46311:75137", "80001,80002"]
    assert spin("project", "account", "ls").out.splitlines()[1].split() == ["gateway", "70001:75137"]
    assert spin("project", "ls").out.splitlines()[1].split() == ["demo", "owner"]
    assert spin("project", "member", "ls").out.splitlines()[1].split() == ["maria", "owner"]


def test_whoami_masks_the_key(api, spin) -> None:
    done = spin("whoami")
    assert "spin_k1_…" in done.out
    assert "demo (owner)" in done.out
    assert KEY not in done.out + done.err


def test_a_service_that_is_not_there_names_those_that_are(shop, spin) -> None:
    for command in ("inspect", "ps"):
        done = spin(command, "shop/api")
        assert (done.status, done.out) == (5, "")
        assert done.err == "spin: shop has no service 'api'. It has: web, db.\n"


def test_logs_begin_with_the_containers_name(api, spin) -> None:
    time = "2026-01-01T00:00:00.000000000Z"
    api.log_lines = [
        {"instance": "shop-web-1", "time": time, "stream": "stdout", "text": "hello"},
        {"instance": "shop-db-1", "time": time, "stream": "stderr", "text": "ready"},
    ]
    done = spin("logs", "shop")
    assert (done.out, done.err) == ("shop-web-1 | hello\n", "shop-db-1  | ready\n")
    assert spin("logs", "shop", "-t").out.startswith(f"shop-web-1 | {time} hello")
    assert [json.loads(line)["text"] for line in spin("logs", "shop", "--json").out.splitlines()] == ["hello", "ready"]


def test_logs_are_written_as_they_were(api, spin) -> None:
    """To a pipe. Broken UTF-8, carriage returns, NUL, control sequences, and whatever else a line may hold."""
    time = "2026-01-01T00:00:00.000000000Z"
    text = "\udcff\udcfe \x00 \x1b[2J \x1b[31mred\r"
    api.log_lines = [{"instance": "shop-web-1", "time": time, "stream": "stdout", "text": text}]
    shown = json.loads(spin("logs", "shop", "--json").out)
    assert base64.b64decode(shown["bytes"]) == text.encode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--grep", "^err"), ["error one"]),
        (("--grep", "ERR", "-i"), ["error one", "An error"]),
        (("--grep", "err", "-v"), ["fine"]),
        (("--grep", "2026"), []),
    ],
)
def test_grep_looks_at_the_text_of_lines(api, spin, options: tuple[str, ...], shown: list[str]) -> None:
    time = "2026-01-01T00:00:00.000000000Z"
    api.log_lines = [
        {"instance": "shop-web-1", "time": time, "stream": "stdout", "text": text} for text in ("error one", "fine", "An error")
    ]
    assert spin("logs", "shop", "--no-prefix", *options).out.splitlines() == shown


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--grep", "("), "missing )"),
        (("-v",), "needs --grep"),
        (("-f", "--until", "1h"), "has no end"),
        (("--until", "soon"), "--until soon: give a length of time"),
        (("--since", "1h", "--until", "2h"), "--since 1h is later than --until 2h"),
        (("--tail", "-1"), "--tail -1: a number of lines"),
        (("--tail", "some"), "--tail some: a number of lines"),
    ],
)
def test_questions_about_logs_that_cannot_be_meant(api, spin, options: tuple[str, ...], reason: str) -> None:
    done = spin("logs", "shop", *options)
    assert done.status == 2
    assert reason in done.err


def test_a_container_cannot_take_over_the_terminal() -> None:
    text = b"\x1b]0;title\x07 \x1b[31mred\x1b[0m \x1b[2J\xff\xc2\x9b31m\ttab\r"
    shown = "\\x1b]0;title\\x07 \x1b[31mred\x1b[0m \\x1b[2J\\xff\\x9b31m\ttab\x1b[0m"
    assert for_a_terminal(text).decode() == shown


def test_logs_ask_for_what_was_asked(api, spin) -> None:
    done = spin("logs", "shop/web/2", "--tail", "10", "--since", "1h")
    query = api.seen[-1].query
    assert query.pop("since")
    assert query == {"service": "web", "slot": "2", "tail": "10"}
    assert done.err == "shop/web/2 has written nothing since 1h.\n"
    spin("logs", "shop", "--tail", "all")
    assert api.seen[-1].query == {}


def test_export_writes_a_folder_or_a_tar_file_and_never_over_other_files(api, home: Path, spin) -> None:
    api.answers["GET", "/projects/demo/environments/development/stacks/shop/export"] = {
        "files": {"compose.yaml": "services: {}\n"},
        "missing_secrets": ["shop.password"],
    }
    done = spin("export", "shop")
    assert done.out == "shop/compose.yaml\n"
    assert "shop.password" in done.err
    assert (home / "shop" / "compose.yaml").read_text() == "services: {}\n"
    assert spin("export", "shop").status == 1
    assert spin("export", "shop", "--force").status == 0
    assert spin("export", "shop", "--file", "out.tar").out == "out.tar\n"
    assert (home / "out.tar").read_bytes()[:17] == b"shop/compose.yaml"
    assert spin("export", "shop", "--file", "x", "-o", "y").status == 2


@pytest.mark.parametrize("path", ["../x", "/etc/x", ""])
def test_an_export_stays_in_its_folder_whatever_the_platform_sends(api, home: Path, spin, path: str) -> None:
    api.answers["GET", "/projects/demo/environments/development/stacks/shop/export"] = {
        "files": {path: "x"},
        "missing_secrets": [],
    }
    assert spin("export", "shop").status == 1
    assert not (home / "shop").exists()


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(shop, spin, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> int:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdout", Gone())
    done = spin("ps")
    assert (done.status, done.err) == (0, "")
    sys.stdout.close()


def test_the_place_to_look_is_chosen_by_option_then_variable_then_the_sites_first(shop, spin, monkeypatch) -> None:
    spin("stack", "ls")
    assert api_path(shop) == "/projects/demo/environments/development/stacks"
    monkeypatch.setenv("SPIN_ENVIRONMENT", "sandbox")
    monkeypatch.setenv("SPIN_PROJECT", "wiki")
    spin("stack", "ls")
    assert api_path(shop) == "/projects/wiki/environments/sandbox/stacks"
    spin("stack", "ls", "-e", "production", "-p", "other")
    assert api_path(shop) == "/projects/other/environments/production/stacks"


def test_who_is_in_several_projects_must_choose_and_is_told_between_which(api, spin) -> None:
    api.projects = [{"name": "wiki", "role": "owner"}, {"name": "demo", "role": "owner"}]
    done = spin("ps")
    assert done.status == 2
    assert "demo, wiki" in done.err
    api.projects = []
    assert "spin project create" in spin("ps").err


def test_exit_statuses_tell_what_kind_of_failure_it_was(api, spin, anonymous, monkeypatch) -> None:
    assert spin("inspect", "nothing").status == 5
    api.answers["GET", "/whoami"] = Problem("not-allowed", "No.")
    assert spin("whoami").status == 4
    api.answers["GET", "/whoami"] = Problem("failed", "Broken.")
    assert spin("whoami").status == 1
    monkeypatch.setenv("SPIN_TOKEN", "wrong")
    del api.answers["GET", "/whoami"]
    assert spin("whoami").status == 4
    monkeypatch.setenv("SPIN_TOKEN", "")
    done = spin("ps")
    assert (done.status, done.err.count("\n")) == (4, 1)
    monkeypatch.setenv("SPIN_URL", "nonsense://x")
    assert spin("ps").status == 2


def test_a_fault_of_our_own_is_one_line_and_a_traceback_only_on_demand(api, spin, monkeypatch) -> None:
    api.answers["GET", "/whoami"] = {"unexpected": True}
    done = spin("whoami")
    assert (done.status, "Traceback" in done.err) == (1, False)
    assert "SPIN_DEBUG=1" in done.err
    monkeypatch.setenv("SPIN_DEBUG", "1")
    assert "Traceback" in spin("whoami").err


def api_path(api: FakeApi) -> str:
    return api.seen[-1].path.removeprefix("/api/v1")
