"""`include` and `extends`: other files of the user, with their own paths and variables, as Docker Compose takes them."""

from __future__ import annotations

from typing import Any

import pytest

from support.compose import complaint, loaded

COMMON = b"""
services:
  base:
    image: base:1
    command: [run]
    environment: {A: base, B: base}
    env_file: base.env
    build: ./app
    labels: [own=yes]
  upper:
    extends: {file: ../deeper.yaml, service: deep}
    environment: {B: upper}
  round:
    extends: {file: ../compose.yaml, service: app}
"""
FILES = {
    "common/base.yaml": COMMON,
    "common/base.env": b"E=file\n",
    "deeper.yaml": b"services: {deep: {image: deep:1, env_file: e.env}}",
    "e.env": b"DEEP=1\n",
    "db/compose.yaml": b"""
services:
  db: {image: "postgres:${TAG}", env_file: db.env, secrets: [pw]}
volumes: {data: }
secrets: {pw: {file: ./pw.txt}}
""",
    "db/db.env": b"FROM=${ONLY_THERE}\n",
    "db/pw.txt": b"s3cret",
    "db/.env": b"TAG=16\nONLY_THERE=x\n",
    "db/more.yaml": b"services: {db: {user: postgres}}",
    "other.env": b"TAG=15\n",
    "circle.yaml": b"include: [circle.yaml]\nservices: {x: {image: a}}",
}


def services(text: str, **more: Any) -> Any:
    return loaded(text, files=FILES, **more).document["services"]


def test_a_service_takes_another_of_the_same_file_as_its_base() -> None:
    text = """
    services:
      app:
        extends: base
        environment: {B: app}
        expose: ["80", 82]
      base: {image: base:1, environment: [A=1, B=2], expose: [80, 81], depends_on: [other]}
      other: {image: a}
    """
    app = services(text)["app"]
    assert app["environment"] == {"A": "1", "B": "app"}
    assert app["expose"] == ["80", 81, 82]
    assert app["depends_on"] == ["other"]
    assert "extends" not in app


def test_a_service_of_another_file_brings_its_paths_along() -> None:
    app = services("services: {app: {extends: {file: common/base.yaml, service: base}, environment: {B: app}}}")["app"]
    assert app["image"] == "base:1"
    assert app["build"] == "common/app"
    assert app["environment"] == {"E": "file", "A": "base", "B": "app"}


def test_chains_go_through_files_each_with_its_own_directory() -> None:
    app = services("services: {app: {extends: {file: common/base.yaml, service: upper}}}")["app"]
    assert (app["image"], app["environment"]) == ("deep:1", {"DEEP": "1", "B": "upper"})


def test_what_the_base_has_can_be_reset_or_replaced() -> None:
    text = """
    services:
      app: {extends: base, command: !reset null, environment: !override {C: 3}}
      base: {image: a, command: [x], environment: {A: 1}}
    """
    app = services(text)["app"]
    assert "command" not in app
    assert app["environment"] == {"C": "3"}


@pytest.mark.parametrize(
    ("extends", "says"),
    [
        ("nothing", "compose.yaml has no service 'nothing' to extend"),
        ("app", "extend each other in a circle: app -> app"),
        ("{file: gone.yaml, service: x}", "'gone.yaml' cannot be read"),
        ("{file: common/base.yaml, service: x}", "common/base.yaml has no service 'x'"),
        ("{file: common/base.yaml, service: round}", "in a circle"),
        ("{file: common/base.yaml}", "names no `service`"),
        ("{services: x}", "not known here"),
        ("[x]", "takes a service's name"),
        ("{file: 'https://example.org/c.yaml', service: x}", "is elsewhere"),
    ],
)
def test_what_cannot_be_extended_is_said_with_its_place(extends: str, says: str) -> None:
    text = f"services:\n  app:\n    image: a\n    extends: {extends}\n"
    message = complaint(text, files={**FILES, "common/../compose.yaml": text.encode(), "compose.yaml": text.encode()})
    assert says in message
    assert "services.app.extends" in message


def test_chains_are_bounded() -> None:
    links = "\n".join(f"  s{n}: {{extends: s{n + 1}}}" for n in range(40))
    assert "levels deep" in complaint(f"services:\n{links}\n  s40: {{image: a}}\n")


def test_what_extends_multiplies_is_bounded() -> None:
    many = ", ".join(f"'{n}'" for n in range(2000))
    links = "\n".join(f"  s{n}: {{extends: base}}" for n in range(200))
    assert "`extends` produces more than" in complaint(f"services:\n{links}\n  base: {{image: a, command: [{many}]}}\n")


def test_an_included_project_has_its_own_directory_and_dotenv() -> None:
    found = loaded("include: [db/compose.yaml]\nservices: {app: {image: 'a:${TAG:-none}', depends_on: [db]}}", files=FILES)
    assert found.document["services"]["db"]["image"] == "postgres:16"
    assert found.document["services"]["app"]["image"] == "a:none"
    assert found.secrets == {"pw": b"s3cret"}
    assert found.positions["services.db.image"] == "db/compose.yaml:3:8"


def test_variables_of_the_including_project_win() -> None:
    assert services("include: [db/compose.yaml]", variables={"TAG": "14"})["db"]["image"] == "postgres:14"


def test_the_long_form_names_several_files_a_directory_and_env_files() -> None:
    text = "include:\n  - path: [db/compose.yaml, db/more.yaml]\n    env_file: other.env\n    project_directory: db\n"
    db = services(text, variables={"ONLY_THERE": "y"})["db"]
    assert (db["image"], db["user"], db["environment"]) == ("postgres:15", "postgres", {"FROM": "y"})


def test_this_file_is_laid_over_what_it_includes() -> None:
    found = services("include: [db/compose.yaml]\nservices: {db: {user: me, environment: {X: 1}}}")["db"]
    assert (found["image"], found["user"], found["environment"]["X"]) == ("postgres:16", "me", "1")


def test_what_is_included_twice_is_there_once() -> None:
    assert services("include: [db/compose.yaml, db/compose.yaml]")["db"]["secrets"] == ["pw"]


@pytest.mark.parametrize(
    ("include", "says"),
    [
        ("[gone.yaml]", "'gone.yaml' cannot be read"),
        ("[circle.yaml]", "includes itself"),
        ("[https://example.org/x.git]", "is elsewhere"),
        ("[{env_file: x}]", "has no `path`"),
        ("[{path: db/compose.yaml, files: x}]", "not known here"),
        ("db/compose.yaml", "takes a list"),
        ("[3]", "a path is expected"),
    ],
)
def test_what_cannot_be_included_is_said(include: str, says: str) -> None:
    assert says in complaint(f"include: {include}\nservices: {{x: {{image: a}}}}", files=FILES)


def test_a_file_may_extend_what_it_includes() -> None:
    assert services("include: [db/compose.yaml]\nservices: {copy: {extends: db, user: me}}")["copy"]["image"] == "postgres:16"
