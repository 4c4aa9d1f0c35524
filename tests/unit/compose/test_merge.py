"""Several files, merged by Compose's rule for each key."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import pytest

from support.compose import complaint, loaded


def merged(*parts: str) -> dict[str, Any]:
    """The service `app` of files that hold only it."""
    texts = ["services:\n  app:\n    image: a\n" + indent(part, "    ") for part in parts]
    found: dict[str, Any] = loaded(*texts).document["services"]["app"]
    found.pop("image")
    return found


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ("user: a", "user: b", {"user": "b"}),
        ("user: a", "user:", {"user": "a"}),
        ("command: [a, b]", "command: [c]", {"command": ["c"]}),
        ("command: [a, b]", "command:", {"command": None}),
        ("ulimits: {nofile: {soft: 1, hard: 2}, core: 0}", "ulimits: {nofile: 5}", {"ulimits": {"nofile": 5, "core": 0}}),
        (
            "logging: {driver: a, options: {x: y}}",
            "logging: {options: {z: q}}",
            {"logging": {"driver": "a", "options": {"x": "y", "z": "q"}}},
        ),
        ("logging: {driver: a, options: {x: y}}", "logging: {driver: b}", {"logging": {"driver": "b"}}),
        ("extra_hosts: {a: 1.1.1.1}", "extra_hosts: ['a:2.2.2.2']", {"extra_hosts": ["a=1.1.1.1", "a:2.2.2.2"]}),
        ("devices: ['/dev/a:/dev/x']", "devices: ['/dev/b:/dev/x:r']", {"devices": ["/dev/b:/dev/x:r"]}),
        ("dns: 1.1.1.1", "dns: [2.2.2.2, 1.1.1.1]", {"dns": ["1.1.1.1", "2.2.2.2"]}),
        ("entrypoint: a b", "entrypoint: [c]", {"entrypoint": ["c"]}),
        (
            "healthcheck: {test: [CMD, a], retries: 3}",
            "healthcheck: {test: b, interval: 1s}",
            {"healthcheck": {"test": "b", "retries": 3, "interval": "1s"}},
        ),
        ("environment: {A: 1, B: 1}", "environment: [B=2, C=2]", {"environment": {"A": "1", "B": "2", "C": "2"}}),
        ("labels: [a=1, b=1]", "labels: {b: 2}", {"labels": {"a": "1", "b": 2}}),
        ("ports: ['8080:80']", "ports: ['8080:80', '8081:80']", {"ports": ["8080:80", "8081:80"]}),
        ("ports: ['8080:80/tcp']", "ports: [{target: 80, published: 8080}]", {"ports": [{"target": 80, "published": 8080}]}),
        ("expose: [80, '81']", "expose: ['80', 82]", {"expose": ["80", "81", 82]}),
        ("cap_add: [KILL]", "cap_add: [KILL, CHOWN]", {"cap_add": ["KILL", "CHOWN"]}),
        ("group_add: [a]", "group_add: [b]", {"group_add": ["a", "b"]}),
        ("tmpfs: /run", "tmpfs: ['/run:size=1m', /tmp]", {"tmpfs": ["/run:size=1m", "/tmp"]}),
        (
            "depends_on: [x]\nx-c: &c 1",
            "depends_on: {x: {condition: service_healthy}}",
            {"depends_on": {"x": {"condition": "service_healthy"}}},
        ),
        (
            "depends_on: {x: {condition: service_healthy}}",
            "depends_on: [x]",
            {"depends_on": {"x": {"condition": "service_started"}}},
        ),
        ("build: ./a", "build: {target: t}", {"build": {"context": "./a", "target": "t"}}),
        ("build: {args: [A=1]}", "build: {args: {B: 2}}", {"build": {"args": {"A": "1", "B": 2}}}),
        (
            "deploy: {replicas: 1}",
            "deploy: {resources: {limits: {pids: 9}}}",
            {"deploy": {"replicas": 1, "resources": {"limits": {"pids": 9}}}},
        ),
        ("x-spin: {hosts: [a.b]}", "x-spin: {http: 80, hosts: [c.d]}", {"x-spin": {"hosts": ["a.b", "c.d"], "http": 80}}),
    ],
)
def test_each_key_is_merged_by_its_rule(base: str, over: str, result: dict[str, Any]) -> None:
    extra = "services:\n  x: {image: a}\n"
    texts = ["services:\n  app:\n    image: a\n" + indent(part, "    ") for part in (base, over)]
    found = loaded(*texts, extra).document["services"]["app"]
    assert {key: value for key, value in found.items() if key != "image"} == result


def test_volumes_of_one_path_are_one_and_the_later_file_wins() -> None:
    top = "\nvolumes: {a: , b: }\n"
    base = "services:\n  app:\n    image: a\n    volumes: ['a:/x:ro', 'a:/y']" + top
    over = "services:\n  app:\n    volumes: ['b:/x', {type: volume, source: b, target: /z}]"
    assert loaded(base, over).document["services"]["app"]["volumes"] == [
        "b:/x",
        "a:/y",
        {"type": "volume", "source": "b", "target": "/z"},
    ]


def test_secrets_and_configs_of_one_path_are_one() -> None:
    top = "\nsecrets: {a: {external: true}, b: {external: true}}\nconfigs: {a: {content: x}}\n"
    base = "services:\n  app:\n    image: a\n    secrets: [a, b]\n    configs: [{source: a, target: /etc/a}]" + top
    over = "services:\n  app:\n    secrets: [{source: b, target: /run/secrets/a}]\n    configs: [{source: a, target: /etc/a, mode: '0400'}]"
    found = loaded(base, over).document["services"]["app"]
    assert found["secrets"] == [{"source": "b", "target": "/run/secrets/a"}, "b"]
    assert found["configs"] == [{"source": "a", "target": "/etc/a", "mode": "0400"}]


def test_networks_in_either_form_are_one_mapping() -> None:
    top = "\nnetworks: {a: , b: }\n"
    base = "services:\n  app:\n    image: a\n    networks: [a]" + top
    over = "services:\n  app:\n    networks: {a: {aliases: [x]}, b: }"
    assert loaded(base, over).document["services"]["app"]["networks"] == {"a": {"aliases": ["x"]}, "b": None}


def test_services_and_top_level_sections_are_merged_by_name() -> None:
    found = loaded("services: {a: {image: x}}\nname: one", "services: {b: {image: y}}\nname: two").document
    assert set(found["services"]) == {"a", "b"}
    assert found["name"] == "two"


def test_a_variable_without_a_value_in_a_later_file_is_taken_from_the_environment() -> None:
    texts = ("services: {app: {image: a, environment: {A: file}}}", "services: {app: {environment: [A]}}")
    assert loaded(*texts, variables={"A": "shell"}).document["services"]["app"]["environment"] == {"A": "shell"}


def test_reset_takes_a_key_away_and_override_replaces_it_as_a_whole() -> None:
    assert merged("expose: [80]\nuser: a", "expose: !reset []\nuser: !reset null") == {}
    assert merged("expose: [80]", "expose: !override [81]") == {"expose": [81]}
    assert merged("environment: {A: 1, B: 2}", "environment:\n  A: !reset null") == {"environment": {"B": "2"}}
    assert merged("environment: {A: 1}", "environment: !override {B: 2}") == {"environment": {"B": "2"}}
    assert merged("expose: [80]", "expose: !reset []", "expose: [82]") == {"expose": [82]}


def test_orders_are_carried_out_in_a_single_file_too() -> None:
    assert merged("user: !reset a\nexpose: !override [1]") == {"expose": [1]}


def test_an_order_on_an_item_of_a_list_is_refused() -> None:
    assert "cannot stand on an item" in complaint("services: {app: {image: a, expose: [!reset 1]}}")


def test_forms_that_do_not_fit_together_are_refused_with_both_places() -> None:
    message = complaint("services: {app: {image: a, x-spin: {hosts: [a.b]}}}", "services:\n  app:\n    x-spin: {hosts: a.b}")
    assert message.startswith("2.yaml:3:21: services.app.x-spin.hosts: this is a single value, but compose.yaml:1 has a list")


def test_each_value_keeps_the_place_where_it_was_written() -> None:
    positions = loaded("services:\n  app:\n    image: a\n    user: x", "\n\n\nservices:\n  app:\n    image: b").positions
    assert positions["services.app.image"] == "2.yaml:6:5"
    assert positions["services.app.user"] == "compose.yaml:4:5"
