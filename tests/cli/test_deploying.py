"""`up`, `plan`, `check` and `render` as one sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fake_api import KEY, NOTHING, FakeApi, Problem, change, finding, service, view

COMPOSE = (
    "services:\n  web:\n    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/web:${TAG:-1}\n    command: [run, '${MODE?say a mode}']\n"
)


@pytest.fixture
def shop(api: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    (home / "compose.yaml").write_text(COMPOSE)
    monkeypatch.setenv("MODE", "fast")
    api.script["shop"] = [
        view(state="initializing", services=(service("web", "initializing", 0),)),
        view(services=(service("web"),), urls=["http://web.shop.development.spin.localhost:8080/"]),
    ]
    api.preview = {
        "changes": {**NOTHING, "services": [change("web", "add")]},
        "findings": [finding("reused-tag", "advise", message="web:1 may change.", service="web")],
        "empty": False,
        "generation": 4,
    }
    return api


def test_up_says_what_it_will_do_does_it_and_ends_with_the_urls(shop, spin) -> None:
    done = spin("up", "-m", "first try")
    assert (done.status, done.out) == (0, "http://web.shop.development.spin.localhost:8080/\n")
    assert done.err.splitlines()[:5] == [
        "shop in development (project demo): 1 to add.",
        "  + service web",
        "advice  web  reused-tag: web:1 may change.",
        "[web] initializing 0/1",
        "[web] healthy 1/1",
    ]
    sent = shop.posted("/stacks/shop")
    assert (sent["expect_generation"], sent["note"]) == (4, "first try")
    assert sent["submission"]["document"]["services"]["web"]["image"] == "localhost:5999/demo/web:1"
    assert sent["submission"]["positions"]["services.web.image"] == "compose.yaml:3:5"


def test_up_takes_files_name_environment_and_project_as_they_are_given(shop, home, spin) -> None:
    done = spin("up", "-f", "-", "--name", "wiki", "-e", "production", "-p", "docs", "-d", stdin=COMPOSE)
    assert done.status == 0
    assert shop.methods() == [
        "POST /projects/docs/environments/production/stacks/wiki/plan",
        "PUT /projects/docs/environments/production/stacks/wiki",
    ]
    assert shop.posted("/wiki")["submission"]["document"]["services"]["web"]["image"] == "localhost:5999/docs/web:1"


def test_spin_stack_names_the_stack_where_no_option_does(shop, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_STACK", "blog")
    spin("up", "-d")
    assert shop.methods()[-1].endswith("/stacks/blog")


def test_a_refusal_prints_each_finding_on_a_line_and_nothing_is_deployed(shop, spin) -> None:
    first = finding("privileged", message="no.", instead="remove it", service="web", key="services.web.privileged")
    shop.answers["POST", "/projects/demo/environments/development/stacks/shop/plan"] = Problem(
        "refused", "no. remove it", {"findings": [first | {"position": "compose.yaml:4"}, finding("pid", message="never.")]}
    )
    done = spin("up")
    assert (done.status, done.out) == (3, "")
    assert done.err.splitlines() == [
        "spin: 2 findings stop this; nothing was changed.",
        "compose.yaml:4  web  services.web.privileged  privileged: no. → remove it",
        "pid: never.",
    ]
    assert not [m for m in shop.methods() if m.startswith("PUT")]


def test_what_is_wrong_in_the_file_is_said_with_its_place_before_anything_is_sent(shop, home, spin, monkeypatch) -> None:
    monkeypatch.delenv("MODE")
    done = spin("up")
    assert (done.status, shop.methods()) == (2, [])
    assert "compose.yaml:4" in done.err
    assert "say a mode" in done.err
    (home / "compose.yaml").write_text("services:\n  web: [\n")
    assert spin("up").err.startswith("spin: compose.yaml:")


def test_plan_prints_the_changes_and_changes_nothing(shop, spin) -> None:
    done = spin("plan")
    assert (done.status, done.out) == (0, "  + service web\n")
    assert json.loads(spin("plan", "--json").out) == shop.preview
    assert {m.split()[0] for m in shop.methods()} == {"POST"}
    shop.preview = {"changes": NOTHING, "findings": [], "empty": True, "generation": 4}
    done = spin("plan")
    assert (done.out, done.err) == ("", "shop in development (project demo): nothing to change.\n")


def test_check_prints_every_finding_and_its_status_tells_whether_up_would_be_refused(shop, spin) -> None:
    done = spin("check")
    assert (done.status, done.out) == (0, "Advice:\n  web  reused-tag\n    web:1 may change.\n")
    shop.preview["findings"] = [finding("pid", message="never."), *shop.preview["findings"]]
    done = spin("check")
    assert done.status == 3
    assert done.out.splitlines() == [
        "Refused:",
        "  pid",
        "    never.",
        "",
        "Advice:",
        "  web  reused-tag",
        "    web:1 may change.",
    ]
    assert json.loads(spin("check", "--json").out)["ok"] is False
    assert spin("check", "--json").status == 3


def test_check_without_a_platform_applies_the_default_rules_and_says_so(home, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text("services:\n  web:\n    image: nginx:1\n    privileged: true\n")
    done = spin("check")
    assert done.status == 3
    assert "privileged" in done.out
    assert "images were not looked up" in done.err


def test_render_needs_no_platform_and_sends_nothing(shop, home, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    done = spin("render")
    assert done.status == 0
    assert "image: localhost:5000/default/web:1" in done.out
    (home / "rendered.yaml").write_text(done.out)
    assert spin("render", "-f", "rendered.yaml").out == done.out
    assert json.loads(spin("render", "--json").out)["services"][0]["name"] == "web"
    assert shop.seen == []


def test_render_knows_the_registry_and_project_of_the_last_sign_in(shop, spin, monkeypatch) -> None:
    spin("login", "--key-file", "-", stdin=KEY)
    before = len(shop.seen)
    monkeypatch.delenv("SPIN_TOKEN")
    assert "image: localhost:5999/demo/web:1" in spin("render").out
    assert len(shop.seen) == before


def test_check_explains_a_rule_without_a_file_or_a_platform(home, spin) -> None:
    done = spin("check", "--explain", "capabilities")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("# `capabilities`: ")
    assert "cap_add: [SYS_ADMIN]" in done.out
    assert "cap_add: [CHOWN, SETGID, SETUID]" in done.out


def test_check_names_codes_that_look_like_one_that_does_not_exist(home, spin) -> None:
    done = spin("check", "--explain", "capability")
    assert done.status == 5
    assert "capabilities" in done.err


PRIVILEGED = "services:\n  web:\n    image: nginx:1\n    privileged: true\n"


def test_check_with_a_site_file_goes_by_its_rules_and_asks_nobody(shop, home, spin) -> None:
    (home / "spin.toml").write_text('[rules.latest]\nseverity = "refuse"\ntags = ["1"]\n')
    (home / "compose.yaml").write_text("services:\n  web:\n    image: nginx:1\n")
    done = spin("check", "--site", "spin.toml")
    assert done.status == 3
    assert "latest" in done.out
    assert shop.seen == []


def test_check_names_what_is_wrong_with_a_site_file(shop, home, spin) -> None:
    (home / "spin.toml").write_text('[rules.privileged]\nseverity = "off"\n')
    done = spin("check", "--site", "spin.toml", "--format", "sarif")
    assert done.status == 2
    assert "never weaker" in done.err
    assert done.out == ""
    assert spin("check", "--site", "nowhere.toml").status == 2


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_check_writes_the_findings_in_the_format_that_is_asked_for(home, spin, form, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text(PRIVILEGED)
    done = spin("check", "--format", form)
    assert done.status == 3
    where = {
        "json": '"position": "compose.yaml:4:5"',
        "github": "::error file=compose.yaml,line=4,col=5,title=privileged::A privileged container",
        "sarif": '"ruleId": "privileged"',
    }
    assert where[form] in done.out
    if form != "github":
        json.loads(done.out)


def test_json_is_another_word_for_that_format(home, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text(PRIVILEGED)
    assert spin("check", "--json").out == spin("check", "--format", "json").out


def test_a_file_that_cannot_be_read_is_a_finding_in_the_formats_of_programs(home, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text("services:\n  web:\n    image: [x\n")
    done = spin("check", "--format", "sarif")
    assert done.status == 2
    assert done.err.splitlines()[-1].startswith("spin: compose.yaml:4:1: ")
    (result,) = json.loads(done.out)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("invalid-file", "error")
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 4, "startColumn": 1}
    assert not result["message"]["text"].startswith("compose.yaml")
    assert "::error file=compose.yaml,line=4,col=1,title=invalid-file::" in spin("check", "--format", "github").out
    (found,) = json.loads(spin("check", "--json").out)["findings"]
    assert found["rule"] == "invalid-file"
    assert spin("check").out == ""


def test_no_findings_are_a_report_too(home, spin, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text(
        "services:\n  web:\n    image: nginx:1\n    deploy: {resources: {limits: {memory: 64m}}}\n"
    )
    done = spin("check", "--format", "sarif")
    assert done.status == 0
    assert json.loads(done.out)["runs"][0]["results"] == []
    assert spin("check", "--format", "github").out == ""


def test_a_format_that_does_not_exist_is_wrong_usage(home, spin) -> None:
    assert spin("check", "--format", "xml").status == 2
