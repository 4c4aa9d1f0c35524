"""No key is dropped in silence: what the table of keys does not have is refused by name, at every depth."""

from __future__ import annotations

import pytest

from support.compose import findings, refused, service_text

TOP = "\nnetworks: {n: }\nvolumes: {v: }\nconfigs: {c: {content: x}}\nsecrets: {s: {external: true}}\n"


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("colour: blue", "colour"),
        ("build: {context: ., colour: x}", "build.colour"),
        ("healthcheck: {test: x, colour: y}", "healthcheck.colour"),
        ("deploy: {update_config: {colour: x}}", "deploy.update_config.colour"),
        ("deploy: {rollback_config: {colour: x}}", "deploy.rollback_config.colour"),
        ("deploy: {resources: {colour: x}}", "deploy.resources.colour"),
        ("secrets: [{source: s, colour: x}]", "secrets[0].colour"),
        ("configs: [{source: c, colour: x}]", "configs[0].colour"),
        ("x-spin: {colour: x}", "x-spin.colour"),
    ],
)
def test_a_key_of_a_service_that_is_not_known_is_refused_by_name(keys: str, path: str) -> None:
    text = service_text(keys) + "\n  b: {image: 'x:1'}" + TOP
    assert refused(text) == [("unknown-key", f"services.app.{path}")]
    (finding,) = [f for f in findings(text) if f.rule == "unknown-key"]
    assert f"`{path.rpartition('.')[2]}`" in finding.message
    assert finding.service == "app"
    assert str(finding.position).startswith("compose.yaml:4:")


@pytest.mark.parametrize(
    ("top", "path"),
    [
        ("colour: blue", "colour"),
        ("x-spin: {colour: x}", "x-spin.colour"),
    ],
)
def test_a_key_beside_the_services_that_is_not_known_is_refused_by_name(top: str, path: str) -> None:
    assert refused(service_text("") + top) == [("unknown-key", path)]


def test_every_unknown_key_is_named_at_once() -> None:
    assert len(refused(service_text("one: 1\ntwo: 2\ndeploy: {three: 3}\n") + "four: 4")) == 4


@pytest.mark.parametrize(("key", "meant"), [("enviroment", "environment"), ("volume", "volumes"), ("depend_on", "depends_on")])
def test_a_slip_of_the_pen_is_recognised(key: str, meant: str) -> None:
    (finding,) = [f for f in findings(service_text(f"{key}: x")) if f.rule == "unknown-key"]
    assert finding.instead == f"Did you mean `{meant}`?"


def test_a_key_for_which_nothing_is_close_gets_the_list() -> None:
    (finding,) = [f for f in findings(service_text("ports: [{target: 1, qqqq: x}]")) if f.rule == "unknown-key"]
    assert "mode, protocol, published, target" in finding.instead


def test_names_that_people_choose_are_not_keys() -> None:
    text = """
        services:
          app: {image: "x:1", environment: {colour: 1}, labels: {privileged: 1}, depends_on: {web: }, networks: {privileged: }}
          web: {image: "x:1"}
        networks: {privileged: }
        x-colour: 1
    """
    assert refused(text) == []
