"""For programs: `--format`, `inspect` of every noun, `wait`. Against the real API."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spin.cli.templates import fill
from spin.engines.simulated import Behaviour
from spin.errors import InvalidInput
from support.served_api import Served, served_api

Spin = Callable[..., Any]
COMPOSE = """services:
  web: {image: "${SPIN_REGISTRY}/${SPIN_PROJECT}/web:1", deploy: {replicas: 2}, volumes: ["data:/data:ro"]}
volumes: {data: {}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"t{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def lab(served: Served, home: Path, name: str, spin: Spin, monkeypatch: pytest.MonkeyPatch) -> Spin:
    monkeypatch.setenv("SPIN_URL", served.url)
    monkeypatch.setenv("SPIN_TOKEN", served.keys["otto"])
    monkeypatch.setenv("SPIN_STACK", name)
    (home / "compose.yaml").write_text(COMPOSE)
    return spin


def test_a_template_is_filled_once_for_each_thing_with_or_without_dockers_dot(lab: Spin, name: str) -> None:
    lab("up")
    assert lab("ps", name, "--format", "{{stack}}/{{ name }} {{.ready}}").out == f"{name}/web 2\n"
    assert lab("ps", name, "-c", "--format", r"{{.name}}\t{{.slot}}").out == f"{name}-web-1\t1\n{name}-web-2\t2\n"
    assert json.loads(lab("stack", "ls", "--format", "json").out)
    assert lab("inspect", name, "--format", "{{services[0].name}}: {{services[0].ready + 1}}").out == "web: 3\n"
    assert lab("environment", "ls", "--format", "{{name}}").out == "development\nproduction\nsandbox\n"
    assert lab("revisions", name, "--format", "{{number}} {{.}}").out.startswith('1 {"number": 1')


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{nonsense}}", "There are: "),
        ("{{name", "unexpected end"),
        ("{{name.__class__.__mro__}}", "unsafe"),
        ("{% for x in range(10**9) %}{% endfor %}", "range"),
        ("{{ 'a' * 10**20 }}", "--format"),
        ("{{name / 0}}", "--format"),
    ],
)
def test_a_template_that_cannot_be_filled_is_a_usage_error(lab: Spin, name: str, template: str, said: str) -> None:
    lab("up")
    done = lab("stack", "ls", "--format", template)
    assert (done.status, done.out) == (2, "")
    assert said in done.err


def test_json_and_a_template_exclude_each_other(lab: Spin) -> None:
    assert lab("ps", "--json", "--format", "{{name}}").status == 2


def test_values_are_shown_as_in_json() -> None:
    item = {"yes": True, "nothing": None, "list": [1, "ü"], "text": "a"}
    assert list(fill("{{yes}} [{{nothing}}] {{list}} {{text|json}} {{it.text}}", [item])) == ['true [] [1, "ü"] "a" a']
    with pytest.raises(InvalidInput, match="no_such"):
        list(fill("{{no_such}}", [item]))


def test_every_noun_can_be_inspected(lab: Spin, name: str) -> None:
    lab("up", "-m", "first")
    lab("secret", "create", f"{name}.key", "-", stdin="hidden")

    def looked(*words: str) -> Any:
        done = lab("inspect", *words)
        assert done.status == 0, done.err
        return json.loads(done.out)

    assert looked(name)["state"] == "healthy"
    assert looked(f"{name}/web")["ready"] == 2
    assert looked(f"{name}/web/2")["name"] == f"{name}-web-2"
    assert looked("--type", "revision", f"{name}/1")["note"] == "first"
    assert looked("--type", "secret", f"{name}.key")["version"] == 1
    assert looked("--type", "volume", f"{name}/data")["used_by"] == ["web"]
    assert {"user": "otto", "role": "owner"} in looked("--type", "project", "lab")["members"]
    assert looked("--type", "environment", "production")["engine"] == "docker"
    key = json.loads(lab("key", "ls", "--json").out)[0]["id"]
    assert looked("--type", "key", key)["user"] == "otto"
    assert lab("inspect", "--type", "user", "otto").status == 4


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("{name}/web/9",), 5, "It has: 1, 2."),
        (("{name}/no",), 5, "It has: web."),
        (("--type", "secret", "no"), 5, "There is no secret 'no'"),
        (("--type", "revision", "{name}"), 2, "STACK/NUMBER"),
        (("--type", "revision", "{name}/9"), 5, "There are: 1"),
        (("--type", "volume", "{name}/no"), 5, "There are: data"),
        (("--type", "project", "foreign"), 5, "There are: lab"),
        (("--type", "nonsense", "x"), 2, "nonsense"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(lab: Spin, name: str, words: tuple[str, ...], status: int, said: str) -> None:
    lab("up")
    done = lab("inspect", *(word.format(name=name) for word in words))
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_scripts_wait_for_a_state(lab: Spin, name: str) -> None:
    lab("up", "-d")
    done = lab("wait", name)
    assert (done.status, done.out, done.err) == (0, "", f"{name} is healthy.\n")
    lab("stop", name, "-d")
    assert lab("wait", f"{name}/web", "--for", "stopped").err == f"{name}/web is stopped.\n"
    lab("rm", name, "--yes", "-d")
    assert lab("wait", name, "--for", "removed").status == 0
    assert lab("wait", "no-such-stack").status == 5


def test_waiting_ends_with_the_reason_where_it_does_not_come_to_that(lab: Spin, served: Served, name: str) -> None:
    lab("up")
    late = lab("wait", name, "--for", "stopped", "--timeout", "1")
    assert late.status == 1
    assert "is not stopped after 1 s; it is healthy" in late.err
    served.engine.behave("web", Behaviour(ready_after=None, exits_after=timedelta(0), exit_code=3))
    lab("up", "--force", "-d")
    failed = lab("wait", name)
    served.engine.behave("web", Behaviour(ready_after=timedelta(milliseconds=50)))
    assert failed.status == 1
    assert "web" in failed.err
