"""What a site file may make of the rules, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spin import dockerfile, policy
from spin.errors import InvalidInput
from spin.main import serve
from spin.model.finding import Description, Severity
from spin.policy import Rule
from spin.policy.settings import SEVERITIES, severities
from spin.rules import read_site
from support.compose import findings, service_text

TEXT_TYPES: dict[type, tuple[str, ...]] = {
    int: ("true", '"5"', "[1]", "-1", "1.5"),
    float: ("true", '"5"', "[1]", "-0.5"),
    str: ("true", "5", '["x"]'),
    bool: ("1", '"true"'),
    tuple: ('"x"', "5", "[1]", "[true]"),
}
RULES = (*policy.RULES, *policy.WITHOUT_ADDRESSES)


def complaint(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_site(text, "spin.toml")
    assert caught.value.fields["file"] == "spin.toml"
    assert caught.value.fields["key"].startswith("rules")
    return caught.value.message


def found(keys: str, site: str) -> dict[str, Severity]:
    return {f.rule: f.severity for f in findings(service_text(keys), site=read_site(site))}


def test_advice_can_be_made_a_refusal() -> None:
    assert found("image: x:latest", '[rules.latest]\nseverity = "refuse"') == {"latest": Severity.REFUSE}


def test_a_rule_that_is_off_is_not_looked_at() -> None:
    assert found("image: x:latest", '[rules.latest]\nseverity = "off"') == {}


def test_a_refusal_that_protects_nobody_else_can_be_made_a_warning() -> None:
    text = "services: {app: {image: 'x:1', volumes: ['d:/d'], deploy: {replicas: 2}}}\nvolumes: {d: }"
    site = read_site('[rules.shared-volume]\nseverity = "warn"')
    assert {f.rule: f.severity for f in findings(text, site=site)} == {"shared-volume": Severity.WARN}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_what_protects_the_host_or_other_people_is_never_weaker_than_a_refusal(rule: Rule) -> None:
    allowed = severities(rule)
    for severity in SEVERITIES:
        text = f'[rules.{rule.code}]\nseverity = "{severity}"'
        if severity in allowed:
            assert read_site(text).rules[rule.code]["severity"] == severity
        else:
            assert "is never weaker than `refuse`" in complaint(text)
    assert rule.severity.value in allowed
    assert "refuse" in allowed


def test_rules_that_keep_tenants_apart_cannot_be_weakened() -> None:
    """Named one by one, so that making one of them optional is a decision that shows in a review."""
    firm = {rule.code for rule in RULES if severities(rule) == ("refuse",)}
    assert firm >= {
        *("privileged", "host-namespaces", "devices", "host-path", "capabilities", "security-opt", "cgroup-parent", "sysctls"),
        *("published-ports", "host-address", "image-source", "own-hosts", "host-reserved", "reserved-labels", "unknown-key"),
        *("too-many-services", "too-many-replicas", "stack-size"),
    }


@pytest.mark.parametrize("code", [d.code for d in policy.beyond.BEYOND])
def test_what_a_registry_the_store_or_the_engine_says_is_always_told(code: str) -> None:
    assert "always told" in complaint(f'[rules.{code}]\nseverity = "off"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[rules.lastest]\nseverity = "off"', "did you mean latest?"),
        ("[rules.latest]\ncolour = 1", "known here: severity, tags"),
        ('[rules.latest]\nseverity = "loud"', "one of refuse, warn, advise, off expected, not 'loud'"),
        ("[rules.latest]\nseverity = 3", "one of refuse, warn, advise, off expected, not 3"),
        ("rules = 3", "a table is expected"),
        ("[rules]\nlatest = 3", "a table is expected"),
        ('[rules.capabilities]\nallowed = ["SYS_ADMIN"]', "'SYS_ADMIN' cannot be chosen"),
    ],
)
def test_what_a_site_file_cannot_say_is_named(text: str, words: str) -> None:
    assert words in complaint(text)


PARAMETERS = [(rule, parameter) for rule in RULES for parameter in rule.parameters]


@pytest.mark.parametrize(("rule", "parameter"), PARAMETERS, ids=[f"{r.code}.{p.name}" for r, p in PARAMETERS])
def test_a_parameter_has_the_type_of_its_default(rule: Rule, parameter: Any) -> None:
    for wrong in TEXT_TYPES[type(parameter.default)]:
        assert f"rules.{rule.code}.{parameter.name}" in complaint(f"[rules.{rule.code}]\n{parameter.name} = {wrong}")
    assert parameter.within is None or set(parameter.default) <= set(parameter.within)


def test_a_site_chooses_the_capabilities_that_can_be_added_back() -> None:
    site = '[rules.capabilities]\nallowed = ["NET_RAW"]'
    assert found("cap_add: [NET_RAW]", site) == {}
    assert found("cap_add: [CHOWN]", site) == {"capabilities": Severity.REFUSE}
    assert found("cap_add: [CHOWN]", "[rules.capabilities]\nallowed = []") == {"capabilities": Severity.REFUSE}


def test_a_site_trusts_publishers_of_its_own() -> None:
    assert found("image: somebody/x:1", "") == {"unofficial-image": Severity.ADVISE}
    assert found("image: somebody/x:1", '[rules.unofficial-image]\npublishers = ["somebody"]') == {}
    assert found("image: localhost:5000/team/x:1", "") == {}


def test_the_platform_does_not_start_with_a_site_file_that_weakens_a_rule(tmp_path: Path) -> None:
    file = tmp_path / "spin.toml"
    file.write_text('[rules.privileged]\nseverity = "warn"')
    with pytest.raises(InvalidInput, match="never weaker"):
        serve.read_site(file)


def test_a_site_has_its_own_words_for_services() -> None:
    site = read_site('[rules.service-names]\nkinds = ["frontend", "a.b"]')
    text = "services: {frontend: {image: 'x:1'}, frontend-x: {image: 'x:1'}, web: {image: 'x:1'}, axb: {image: 'x:1'}}"
    said = {f.service: f.instead for f in findings(text, site=site)}
    assert said == {"web": "Write for example `frontend-web`.", "axb": "Write for example `frontend-axb`."}


def test_a_site_says_which_tags_move() -> None:
    assert found("image: x:nightly", "") == {"latest": Severity.ADVISE}
    assert found("image: x:nightly", '[rules.latest]\ntags = ["latest"]') == {}
    assert found("image: x", '[rules.latest]\ntags = ["latest"]') == {"latest": Severity.ADVISE}


@pytest.mark.parametrize("rule", dockerfile.RULES, ids=lambda rule: rule.code)
def test_rules_about_dockerfiles_may_be_as_severe_as_a_site_likes(rule: Description) -> None:
    assert severities(rule) == SEVERITIES
    for severity in SEVERITIES:
        assert read_site(f'[rules.{rule.code}]\nseverity = "{severity}"').rules[rule.code]["severity"] == severity


def test_rules_about_dockerfiles_have_no_other_settings_and_a_file_that_is_none_is_always_told() -> None:
    assert "unknown key; known here: severity" in complaint("[rules.dockerfile-root]\nusers = 5")
    assert "always told" in complaint('[rules.dockerfile-invalid]\nseverity = "off"')
