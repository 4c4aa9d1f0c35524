"""`spin check` of Dockerfiles: one that is named, and those that services are built from."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from spin.cli.dockerfiles import is_dockerfile
from support.fake_api import finding

GOOD = 'FROM debian:13-slim\nHEALTHCHECK CMD ["x"]\nUSER 10001\nCMD ["x"]\n'
ROOT = 'FROM debian:13-slim\nHEALTHCHECK CMD ["x"]\nUSER root\nCMD ["x"]\n'


@pytest.fixture
def alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, no platform, and no docker."""
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PATH", "")
    return home


@pytest.fixture
def check(alone: Path, anonymous, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:1")

    def run(*words: str, stdin: str = "") -> list[dict[str, Any]]:
        done = anonymous("check", *words, "--json", stdin=stdin)
        assert done.status == 0, done.err
        return [f for f in json.loads(done.out)["findings"] if f["rule"] != "no-limits"]

    return run


def places(findings: list[dict[str, Any]], rule: str = "dockerfile-root") -> list[tuple[str | None, str | None]]:
    return [(f["service"], f["position"]) for f in findings if f["rule"] == rule]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("Dockerfile", True),
        ("web/Dockerfile", True),
        ("Dockerfile.prod", True),
        ("web.Dockerfile", True),
        ("app.dockerfile", True),
        ("Containerfile", True),
        ("compose.yaml", False),
        ("Dockerfile.dockerignore", False),
        ("Dockerfiles", False),
    ],
)
def test_a_dockerfile_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_dockerfile(name) is is_one


def test_a_dockerfile_that_is_named_is_reviewed_alone_and_asks_nobody(alone, anonymous) -> None:
    (alone / "Dockerfile").write_text(ROOT)
    done = anonymous("check", "Dockerfile")
    assert done.status == 0
    assert "Dockerfile:3  dockerfile-root" in done.out
    assert done.err == "Dockerfile: nothing would be refused; 1 finding to read.\n"
    (alone / "Dockerfile").write_text(GOOD)
    assert anonymous("check", "Dockerfile").out == ""


def test_one_of_another_name_and_one_from_stdin(alone, check) -> None:
    (alone / "image.txt").write_text(ROOT)
    assert places(check("--dockerfile", "image.txt")) == [(None, "image.txt:3")]
    assert places(check("--dockerfile", "-", stdin=ROOT)) == [(None, "stdin:3")]


def test_the_dockerfiles_of_services_are_reviewed_with_the_compose_file(alone, check) -> None:
    (alone / "compose.yaml").write_text(
        "services:\n"
        "  web: {build: web, image: web:1}\n"
        "  api: {build: {context: api, dockerfile: ../api.Dockerfile, target: run}, image: api:1}\n"
        "  db: {image: 'localhost:5000/default/db:1'}\n"
        "  far: {build: 'https://example.org/far.git', image: far:1}\n"
    )
    (alone / "web").mkdir()
    (alone / "api").mkdir()
    (alone / "web" / "Dockerfile").write_text(ROOT)
    (alone / "api.Dockerfile").write_text("FROM a:1 AS run\nUSER 0\nFROM run\nUSER app\n")
    found = check()
    assert places(found) == [("api", "api.Dockerfile:2"), ("web", "web/Dockerfile:3")]
    assert {f["key"] for f in found if f["rule"] == "dockerfile-root"} == {"services.api.build", "services.web.build"}


def test_the_platforms_findings_come_first_and_the_dockerfiles_are_reviewed_here(api, home, spin, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    api.preview["findings"] = [finding("latest", "advise", service="web", message="The tag moves.")]
    (home / "compose.yaml").write_text("services: {web: {build: .}}")
    (home / "Dockerfile").write_text(ROOT)
    found = json.loads(spin("check", "--json").out)["findings"]
    assert [f["rule"] for f in found] == ["latest", "dockerfile-root"]
    assert "USER root" not in json.dumps([s.body for s in api.seen])


def test_an_inline_dockerfile_has_its_lines_in_the_compose_file(alone, check) -> None:
    text = "services:\n  web:\n    image: web:1\n    build:\n      dockerfile_inline: |\n"
    (alone / "compose.yaml").write_text(text + "".join(f"        {line}\n" for line in ROOT.splitlines()))
    assert places(check()) == [("web", "compose.yaml:8")]


def test_a_compose_file_and_a_dockerfile_may_be_named_together(alone, check) -> None:
    (alone / "other.yaml").write_text("services: {web: {image: 'localhost:5000/default/x:1'}}")
    (alone / "Dockerfile").write_text(ROOT)
    assert places(check("other.yaml", "Dockerfile")) == [(None, "Dockerfile:3")]


def test_services_that_share_a_dockerfile_share_its_findings(alone, check) -> None:
    (alone / "compose.yaml").write_text("services: {a: {build: ., image: a:1}, b: {build: ., image: a:1}}")
    (alone / "Dockerfile").write_text(ROOT)
    assert places(check()) == [("a", "Dockerfile:3")]


def test_what_the_compose_file_gives_a_build_is_known(alone, check) -> None:
    (alone / "compose.yaml").write_text(
        "services: {web: {build: {context: ., args: {BASE: debian}}, image: web:1, healthcheck: {test: [CMD, x]}}}"
    )
    (alone / "Dockerfile").write_text("ARG BASE\nFROM $BASE\nCOPY . /x\nUSER 1\n")
    assert {f["rule"] for f in check()} == {"dockerfile-unpinned", "dockerfile-copy-all"}
    (alone / ".dockerignore").write_text(".git\n")
    assert {f["rule"] for f in check()} == {"dockerfile-unpinned"}


@pytest.mark.parametrize("make", ["nothing", "folder", "pipe", "bytes", "yaml"])
def test_a_dockerfile_of_a_service_that_cannot_be_read_is_a_finding(alone, check, make: str) -> None:
    path = alone / "Dockerfile"
    if make == "folder":
        path.mkdir()
    elif make == "pipe":
        os.mkfifo(path)
    elif make == "bytes":
        path.write_bytes(b"FROM \xff\n")
    elif make == "yaml":
        path.write_text("services: {}\n")
    (alone / "compose.yaml").write_text("services:\n  web:\n    image: web:1\n    build: .\n")
    (found,) = check()
    assert (found["rule"], found["severity"], found["service"]) == ("dockerfile-invalid", "warn", "web")
    assert found["position"].startswith("compose.yaml:4")
    assert "Dockerfile" in found["message"]


@pytest.mark.parametrize("name", ["x" * 250, "x" * 5000, "~nobody-of-that-name/x"], ids=["250", "5000", "home"])
def test_odd_names_in_build_end_in_findings(alone, check, name: str) -> None:
    (alone / "compose.yaml").write_text(
        f"services: {{web: {{image: 'web:1', build: {{context: ., dockerfile: {json.dumps(name)}}}}}}}"
    )
    if len(name) == 250:
        (alone / name).write_text(ROOT)
    rules = [f["rule"] for f in check()]
    assert rules == (["dockerfile-root"] if len(name) == 250 else ["dockerfile-invalid"])


def test_a_base_of_an_endless_name_is_asked_of_nobody(alone, check, monkeypatch) -> None:
    (alone / "Dockerfile").write_text("FROM " + "a" * 60_000 + ":1\nUSER 1\n")
    monkeypatch.setenv("PATH", os.defpath)
    assert [f["rule"] for f in check("Dockerfile")] == ["dockerfile-healthcheck"]


def test_a_named_file_that_is_no_dockerfile_is_wrong_input(alone, anonymous) -> None:
    (alone / "Dockerfile").write_text("FROM a\nFORM b\n")
    done = anonymous("check", "Dockerfile")
    assert (done.status, done.out) == (2, "")
    assert done.err == "spin: Dockerfile:2: 'FORM' is no instruction of Dockerfiles.\n"
    assert anonymous("check", "nowhere/Dockerfile").status == 2
    assert "::error file=Dockerfile,line=2" in anonymous("check", "Dockerfile", "--format", "github").out


def test_what_the_local_engine_knows_of_a_base_counts(alone, check, monkeypatch) -> None:
    (alone / "Dockerfile").write_text('FROM ours:1\nHEALTHCHECK CMD ["x"]\n')
    answer = json.dumps([{"Created": "2020-05-01T00:00:00.123456789Z", "Config": {"User": "app"}}])
    tools = alone / "tools"
    tools.mkdir()
    asked = ["image", "inspect", "--", "ours:1"]
    script = f"#!{sys.executable}\nimport sys\nassert sys.argv[1:] == {asked}\nprint({answer!r})\n"
    (tools / "docker").write_text(script)
    (tools / "docker").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tools))
    found = check("Dockerfile")
    assert [f["rule"] for f in found] == ["dockerfile-base-age"]
    assert "on 2020-05-01" in found[0]["message"]


def test_other_commands_do_not_load_the_parser() -> None:
    code = "import sys, spin.cli.check, spin.cli.entry; sys.exit('dockerfile' in sys.modules)"
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0


def severities_found(findings: list[dict[str, Any]]) -> dict[str, str]:
    return {f["rule"]: f["severity"] for f in findings}


SITE = '[rules.dockerfile-root]\nseverity = "refuse"\n[rules.dockerfile-healthcheck]\nseverity = "off"\n'
ROUGH = 'FROM debian:13-slim\nUSER root\nCMD ["x"]\n'


def test_a_site_file_says_how_severe_the_rules_about_dockerfiles_are(alone, anonymous) -> None:
    (alone / "spin.toml").write_text(SITE)
    (alone / "Dockerfile").write_text(ROUGH)
    usual = json.loads(anonymous("check", "Dockerfile", "--json").out)["findings"]
    assert severities_found(usual) == {"dockerfile-root": "warn", "dockerfile-healthcheck": "advise"}
    done = anonymous("check", "Dockerfile", "--site", "spin.toml", "--json")
    assert severities_found(json.loads(done.out)["findings"]) == {"dockerfile-root": "refuse"}
    assert done.status == 3
    assert done.err == "spin: Dockerfile: the site refuses Dockerfiles like this (1 of 1 findings).\n"


def test_so_it_does_for_dockerfiles_of_services(alone, anonymous) -> None:
    (alone / "spin.toml").write_text(SITE)
    (alone / "Dockerfile").write_text(ROUGH)
    (alone / "compose.yaml").write_text("services: {app: {build: ., image: 'app:1', healthcheck: {test: [CMD, x]}}}\n")
    done = anonymous("check", "--site", "spin.toml", "--json")
    assert severities_found(json.loads(done.out)["findings"])["dockerfile-root"] == "refuse"
    assert done.status == 3


def test_a_platform_is_asked_how_severe_they_are_there_and_only_where_there_is_a_dockerfile(api, home, spin, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    there = {"dockerfile-root": "refuse", "dockerfile-healthcheck": "off", "dockerfile-later": "unheard-of"}
    api.answers["GET", "/rules"] = [{"code": c, "severity": severity, "title": "", "page": ""} for c, severity in there.items()]
    (home / "compose.yaml").write_text("services: {app: {image: 'app:1'}}\n")
    assert spin("check").status == 0
    assert "/api/v1/rules" not in [seen.path for seen in api.seen]
    (home / "Dockerfile").write_text(ROUGH)
    (home / "compose.yaml").write_text("services: {app: {build: ., image: 'app:1'}, again: {build: ., image: 'app:1'}}\n")
    assert spin("check", "Dockerfile", "-f", "compose.yaml").status == 3
    assert [seen.path for seen in api.seen].count("/api/v1/rules") == 1
    done = spin("check", "Dockerfile", "--json")
    assert severities_found(json.loads(done.out)["findings"]) == {"dockerfile-root": "refuse"}
    assert done.status == 3


def test_where_the_platform_does_not_answer_the_rules_are_as_they_come(alone, spin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:1")
    (alone / "Dockerfile").write_text(ROUGH)
    done = spin("check", "Dockerfile", "--json")
    assert severities_found(json.loads(done.out)["findings"])["dockerfile-root"] == "warn"
    assert "Dockerfiles are reviewed by the default rules instead." in done.err
