"""No key is dropped in silence: what this version does not carry out is refused by name, at every depth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spin.policy import RULES
from spin.policy.keys import FILE, SERVICE, Refused, Ruled, Shape
from support.compose import findings, refused, service_text

TOP = "\nnetworks: {n: }\nvolumes: {v: }\nconfigs: {c: {content: x}}\nsecrets: {s: {external: true}}\n"


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("colour: blue", "colour"),
        ("profiles: [a]", "profiles"),
        ("profiles:", "profiles"),
        ("extends: {service: x}", "extends"),
        ("container_name: x", "container_name"),
        ("volumes_from: [x]", "volumes_from"),
        ("external_links: [x]", "external_links"),
        ("use_api_socket: true", "use_api_socket"),
        ("provider: {type: x}", "provider"),
        ("credential_spec: {file: x}", "credential_spec"),
        ("mem_limit: 1g", "mem_limit"),
        ("logging: {driver: none}", "logging"),
        ("build: {context: ., ssh: [default]}", "build.ssh"),
        ("build: {context: ., colour: x}", "build.colour"),
        ("healthcheck: {test: x, colour: y}", "healthcheck.colour"),
        ("deploy: {update_config: {colour: x}}", "deploy.update_config.colour"),
        ("deploy: {rollback_config: {colour: x}}", "deploy.rollback_config.colour"),
        ("deploy: {resources: {colour: x}}", "deploy.resources.colour"),
        ("deploy: {resources: {limits: {disk: 1g}}}", "deploy.resources.limits.disk"),
        ("deploy: {resources: {reservations: {generic_resources: []}}}", "deploy.resources.reservations.generic_resources"),
        ("ports: [{target: 80, app_protocol: http}]", "ports[0].app_protocol"),
        ("volumes: [{type: volume, source: v, target: /v, consistency: cached}]", "volumes[0].consistency"),
        ("volumes: [{type: volume, source: v, target: /v, volume: {subpath: x}}]", "volumes[0].volume.subpath"),
        ("networks: {n: {ipv4_address: 10.0.0.1}}", "networks.n.ipv4_address"),
        ("depends_on: {b: {restart: true}}", "depends_on.b.restart"),
        ("secrets: [{source: s, colour: x}]", "secrets[0].colour"),
        ("configs: [{source: c, colour: x}]", "configs[0].colour"),
        ("x-spin: {colour: x}", "x-spin.colour"),
        ("x-spin: {confirm_after: 1h}", "x-spin.confirm_after"),
    ],
)
def test_a_key_of_a_service_that_is_not_supported_is_refused_by_name(keys: str, path: str) -> None:
    text = service_text(keys) + "\n  b: {image: 'x:1'}" + TOP
    assert refused(text) == [("unknown-key", f"services.app.{path}")]
    (finding,) = [f for f in findings(text) if f.rule == "unknown-key"]
    assert f"`{path.rpartition('.')[2]}`" in finding.message
    assert finding.service == "app"
    assert str(finding.position).startswith("compose.yaml:4:")


@pytest.mark.parametrize(
    ("top", "path"),
    [
        ("include: [x.yaml]", "include"),
        ("models: {}", "models"),
        ("colour: blue", "colour"),
        ("networks: {n: {driver: host}}", "networks.n.driver"),
        ("networks: {n: {external: true}}", "networks.n.external"),
        ("networks: {n: {ipam: {}}}", "networks.n.ipam"),
        ("networks: {default: {name: x}}", "networks.default.name"),
        ("volumes: {v: {external: true}}", "volumes.v.external"),
        ("volumes: {v: {name: x}}", "volumes.v.name"),
        ("configs: {c: {content: x, template_driver: y}}", "configs.c.template_driver"),
        ("secrets: {s: {file: x, driver: y}}", "secrets.s.driver"),
        ("x-spin: {colour: x}", "x-spin.colour"),
        ("x-spin: {http: 80}", "x-spin.http"),
    ],
)
def test_a_key_beside_the_services_that_is_not_supported_is_refused_by_name(top: str, path: str) -> None:
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


def entries(shape: Shape) -> Iterator[Refused | Ruled]:
    for child in (*(shape.keys or {}).values(), shape.named, shape.items):
        if isinstance(child, Shape):
            yield from entries(child)
        elif child is not None:
            yield child


def test_the_table_refuses_with_reasons_and_names_rules_that_there_are() -> None:
    codes = {rule.code for rule in RULES}
    for entry in entries(FILE):
        if isinstance(entry, Ruled):
            assert entry.rule in codes
        else:
            assert entry.reason
            assert entry.instead.endswith(".")


def test_the_table_holds_every_key_of_a_service_that_this_version_promises() -> None:
    promised = (
        "image build command entrypoint environment env_file ports expose volumes secrets configs networks depends_on healthcheck "
        "restart user group_add cap_drop cap_add read_only tmpfs init stop_signal stop_grace_period working_dir hostname labels "
        "scale deploy retain_ip x-spin"
    )
    assert {key for key, entry in (SERVICE.keys or {}).items() if isinstance(entry, Shape)} == set(promised.split())
