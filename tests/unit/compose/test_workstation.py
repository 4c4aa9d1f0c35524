"""What else only the workstation knows: profiles, label files, rancher-compose.yml, binds of the user's files."""

from __future__ import annotations

from typing import Any

import pytest

from spin.compose.lower import MOST_CONFIG
from support.compose import complaint, loaded, lowered, service_text

PROFILES = """
services:
  web: {image: a, depends_on: {debug: {condition: service_started, required: false}}}
  debug: {image: b, profiles: [dev, test]}
  tool: {image: c, profiles: [ops], depends_on: [debug]}
"""


@pytest.mark.parametrize(
    ("asked", "variable", "services"),
    [
        ([], "", {"web"}),
        (["dev"], "", {"web", "debug"}),
        (["test", "ops"], "", {"web", "debug", "tool"}),
        (["*"], "", {"web", "debug", "tool"}),
        ([], "dev, other", {"web", "debug"}),
        (["other"], "dev", {"web"}),
    ],
)
def test_services_of_profiles_that_are_not_active_are_left_out(asked: list[str], variable: str, services: set[str]) -> None:
    found = loaded(PROFILES, profiles=asked, variables={"COMPOSE_PROFILES": variable})
    assert set(found.document["services"]) == services
    lowered(found)


def test_a_service_that_is_needed_is_not_left_out_in_silence() -> None:
    message = complaint(PROFILES, profiles=["ops"])
    assert "tool depends on debug" in message
    assert "--profile dev" in message
    assert "--profile (x)" in complaint("services: {a: {image: a, profiles: [x]}}")


def test_label_files_are_folded_into_the_labels_which_win() -> None:
    files = {"a.labels": b"one=1\ntwo=1\n", "b.labels": b"two=$one$X\n"}
    found = loaded(service_text("label_file: [a.labels, b.labels]\nlabels: {one: own}"), files=files, variables={"X": "2"})
    assert found.document["services"]["app"]["labels"] == {"one": "own", "two": "1"}


def test_build_arguments_without_a_value_have_that_of_their_variable() -> None:
    text = service_text("build: {context: ., args: [TOKEN, EMPTY, GONE, OWN=x]}")
    found = loaded(text, variables={"TOKEN": "t", "EMPTY": "", "OWN": "y"})
    assert found.document["services"]["app"]["build"]["args"] == {"TOKEN": "t", "EMPTY": "", "GONE": None, "OWN": "x"}


def test_a_label_file_that_is_missing_is_told_with_its_place() -> None:
    assert "'no.labels' cannot be read: there is no such file" in complaint(service_text("label_file: [no.labels]"))


def test_the_projects_name_can_be_used_in_the_file() -> None:
    text = "name: wiki\n" + service_text("labels: {of: '${COMPOSE_PROJECT_NAME}'}")

    def label(**more: Any) -> str:
        return loaded(text, **more).document["services"]["app"]["labels"]["of"]

    assert label() == "wiki"
    assert label(name="chosen") == "chosen"
    assert loaded(service_text("user: $COMPOSE_PROJECT_NAME"), usual_name="dir").document["services"]["app"]["user"] == "dir"


RANCHER = """
version: '2'
services:
  app: {scale: 3, retain_ip: true, start_on_create: true, upgrade_strategy: {batch_size: 1}}
  balancer: {lb_config: {}}
"""


def test_rancher_compose_is_laid_over_the_services_and_the_rest_of_it_is_told() -> None:
    found = loaded(service_text("scale: 1"), rancher=RANCHER)
    assert found.document["services"]["app"] == {
        "image": "nginx:1.27",
        "scale": 3,
        "retain_ip": True,
        "start_on_create": True,
    }
    told = [(f.rule, f.service, f.key, f.position) for f in found.notices]
    assert told == [
        ("rancher-key", "app", "services.app.upgrade_strategy", "rancher-compose.yml:4"),
        ("rancher-key", "balancer", None, "rancher-compose.yml:5"),
    ]
    assert "update_config" in found.notices[0].instead


def test_rancher_compose_of_the_first_version_has_services_at_the_top() -> None:
    assert loaded(service_text(""), rancher="app: {scale: 2}").document["services"]["app"]["scale"] == 2


FILES = {"./site.conf": b"server {}", "./conf/site.conf": b"other", "./big": b"x" * (MOST_CONFIG + 1)}


def test_a_bind_of_a_small_file_becomes_a_config_with_a_notice() -> None:
    found = loaded(
        service_text("volumes: ['./site.conf:/etc/a.conf:ro', {type: bind, source: ./conf/site.conf, target: /etc/b.conf}]"),
        files=FILES,
    )
    assert found.document["services"]["app"]["volumes"] == []
    assert found.configs == {"site.conf": b"server {}", "site.conf-2": b"other"}
    assert [(f.rule, f.position) for f in found.notices] == [
        ("file-as-config", "compose.yaml:4:15"),
        ("file-as-config", "compose.yaml:4:45"),
    ]
    (app,) = lowered(found).services
    assert [(g.source, g.target) for g in app.configs] == [("site.conf", "/etc/a.conf"), ("site.conf-2", "/etc/b.conf")]


def test_a_file_that_several_services_mount_travels_once_beside_configs_of_the_same_name() -> None:
    text = """
    services:
      a: {image: a, volumes: ["./site.conf:/x"], configs: [site.conf]}
      b: {image: b, volumes: ["./site.conf:/y"]}
    configs: {site.conf: {content: mine}}
    """
    assert loaded(text, files=FILES).configs == {"site.conf": b"mine", "site.conf-2": b"server {}"}


@pytest.mark.parametrize(
    ("path", "says"),
    [("./big", "more than 1024 KiB"), ("./gone", "does not exist"), ("./pages", "is a directory")],
)
def test_every_other_bind_stays_and_is_told_with_advice(path: str, says: str) -> None:
    found = loaded(service_text(f"volumes: ['{path}:/x']"), files=FILES, directories=["./pages"])
    assert found.document["services"]["app"]["volumes"] == [f"{path}:/x"]
    (told,) = found.notices
    assert told.rule == "bind-left"
    assert says in told.message
    assert "named volume" in told.instead
