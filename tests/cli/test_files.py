"""Which Compose files are loaded, with which variables, and what the stack is called: as Docker Compose does it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spin.cli import files
from spin.errors import InvalidInput

WEB = "services: {web: {image: 'nginx:1'}}\n"


def loaded(
    *names: str,
    env_files: list[str] | None = None,
    stack: str | None = None,
    profiles: list[str] | None = None,
    project_directory: str | None = None,
) -> files.Loaded:
    asked = files.Asked(names, env_files, stack, profiles, project_directory)
    return files.load(asked, {"SPIN_REGISTRY": "localhost:5999", "SPIN_PROJECT": "demo"})


def image(found: files.Loaded) -> str:
    return found.submission.document["services"]["web"]["image"]


def environment(found: files.Loaded) -> dict[str, str]:
    return found.submission.document["services"]["web"]["environment"]


@pytest.mark.parametrize("name", files.NAMES)
def test_the_usual_names_are_found(home: Path, name: str) -> None:
    (home / name).write_text(WEB)
    assert image(loaded()) == "nginx:1"
    assert loaded().stack == "shop"


def test_the_first_of_several_usual_names_is_taken_and_said_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "docker-compose.yml").write_text(WEB)
    (home / "compose.yaml").write_text(WEB.replace("nginx:1", "nginx:2"))
    assert image(loaded()) == "nginx:2"
    assert "using compose.yaml, not docker-compose.yml" in capsys.readouterr().err


def test_an_override_file_beside_it_is_merged_but_not_beside_files_that_are_named(home: Path) -> None:
    (home / "compose.yaml").write_text(WEB)
    (home / "compose.override.yaml").write_text("services: {web: {image: 'nginx:override'}}")
    assert image(loaded()) == "nginx:override"
    assert image(loaded("compose.yaml")) == "nginx:1"


def test_a_directory_for_the_project_has_its_files_its_variables_and_the_stacks_name(home: Path) -> None:
    other = home / "Other Place"
    other.mkdir()
    (other / ".env").write_text("TAG=other")
    (other / "web.env").write_text("A=other")
    (home / ".env").write_text("TAG=here")
    (home / "web.yaml").write_text("services: {web: {image: 'nginx:$TAG', env_file: web.env}}")
    found = loaded("web.yaml", project_directory="Other Place")
    assert (image(found), environment(found), found.directory, found.stack) == (
        "nginx:other",
        {"A": "other"},
        other,
        "other-place",
    )
    (other / "compose.yaml").write_text(WEB)
    assert image(loaded(project_directory="Other Place/../Other Place")) == "nginx:1"
    with pytest.raises(InvalidInput, match="is not a directory"):
        loaded(project_directory="web.yaml")


def test_directories_above_are_searched_and_name_the_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "compose.yaml").write_text(WEB)
    (home / ".env").write_text("TAG=from-above")
    below = home / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert loaded().stack == "shop"
    assert loaded().directory == home


def test_several_files_merge_in_order_relative_to_the_first(home: Path) -> None:
    (home / "x").mkdir()
    (home / "y").mkdir()
    (home / "x" / "a.yaml").write_text("services: {web: {image: 'nginx:1', env_file: [e.env]}}")
    (home / "x" / "e.env").write_text("A=1")
    (home / "y" / "b.yaml").write_text("services: {web: {image: 'nginx:2'}}")
    found = loaded("x/a.yaml", "y/b.yaml")
    assert (image(found), environment(found), found.stack) == ("nginx:2", {"A": "1"}, "x")


def test_compose_file_names_the_files_where_no_option_does(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "a.yaml").write_text(WEB)
    (home / "b.yaml").write_text("services: {web: {image: 'nginx:b'}}")
    monkeypatch.setenv("COMPOSE_FILE", "a.yaml:b.yaml")
    assert image(loaded()) == "nginx:b"
    assert image(loaded("a.yaml")) == "nginx:1"


def test_variables_come_from_dotenv_the_shell_wins_and_spins_own_win_over_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "compose.yaml").write_text("services: {web: {image: '${SPIN_REGISTRY}/${SPIN_PROJECT}/${NAME}:${TAG}'}}")
    (home / ".env").write_text("NAME=file\nTAG=file\nSPIN_PROJECT=file\n")
    monkeypatch.setenv("TAG", "shell")
    assert image(loaded()) == "localhost:5999/demo/file:shell"
    (home / "other.env").write_text("NAME=other\n")
    assert image(loaded(env_files=["other.env"])) == "localhost:5999/demo/other:shell"


def test_the_stack_is_named_by_option_then_compose_s_variable_then_the_file_then_the_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "compose.yaml").write_text(WEB)
    assert loaded().stack == "shop"
    (home / "compose.yaml").write_text("name: wiki\n" + WEB)
    assert loaded().stack == "wiki"
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "docs")
    assert loaded().stack == "docs"
    assert loaded(stack="blog").stack == "blog"
    with pytest.raises(InvalidInput, match="stack"):
        loaded(stack="Not A Name")


def test_a_directory_without_a_usable_name_asks_for_one(home: Path) -> None:
    odd = home / "___"
    odd.mkdir()
    (odd / "compose.yaml").write_text(WEB)
    with pytest.raises(InvalidInput, match="-s NAME"):
        loaded("___/compose.yaml")


def test_configs_and_secrets_travel_as_contents(home: Path) -> None:
    (home / "motd").write_bytes(b"hello")
    (home / "pw").write_bytes(b"\xff\x00")
    (home / "compose.yaml").write_text(
        "services: {web: {image: a, configs: [motd], secrets: [pw]}}\n"
        "configs: {motd: {file: ./motd}}\nsecrets: {pw: {file: ./pw}}\n"
    )
    sent = loaded().json
    assert sent["configs"] == {"motd": "aGVsbG8="}
    assert sent["secrets"] == {"pw": "/wA="}


def test_no_file_an_unreadable_file_and_a_file_that_is_not_text_are_said(home: Path) -> None:
    with pytest.raises(InvalidInput, match="No Compose file in"):
        loaded()
    with pytest.raises(InvalidInput, match=r"nothing\.yaml cannot be read: No such file"):
        loaded("nothing.yaml")
    (home / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="UTF-8"):
        loaded("binary.yaml")


# Other variables and files of Compose.


def test_composes_own_variables_may_stand_in_dotenv(home: Path) -> None:
    (home / "a.yaml").write_text(WEB)
    (home / "b.yaml").write_text("services: {web: {image: 'nginx:b'}, debug: {image: x, profiles: [dev]}}")
    (home / ".env").write_text(
        "COMPOSE_FILE=a.yaml;b.yaml\nCOMPOSE_PATH_SEPARATOR=;\nCOMPOSE_PROJECT_NAME=wiki\nCOMPOSE_PROFILES=dev\n"
    )
    found = loaded()
    assert (image(found), found.stack, set(found.submission.document["services"])) == ("nginx:b", "wiki", {"web", "debug"})
    assert set(loaded(profiles=["other"]).submission.document["services"]) == {"web"}


def test_env_files_may_be_named_by_a_variable_and_later_ones_win(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "compose.yaml").write_text("services: {web: {image: 'nginx:${TAG}-${BASE}'}}")
    (home / ".env").write_text("TAG=unused\n")
    (home / "one.env").write_text("TAG=1\nBASE=$TAG\n")
    (home / "two.env").write_text("TAG=2$BASE\n")
    monkeypatch.setenv("COMPOSE_ENV_FILES", "one.env,two.env")
    assert image(loaded()) == "nginx:21-1"
    assert image(loaded(env_files=["one.env"])) == "nginx:1-1"


def test_dotenv_can_be_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "compose.yaml").write_text("services: {web: {image: 'nginx:${TAG:-none}'}}")
    (home / ".env").write_text("TAG=1\n")
    monkeypatch.setenv("COMPOSE_DISABLE_ENV_FILE", "1")
    assert image(loaded()) == "nginx:none"


def test_what_the_file_calls_the_project_becomes_a_name_of_a_stack(home: Path) -> None:
    (home / "compose.yaml").write_text("name: My_App\n" + WEB)
    assert loaded().stack == "my-app"


def test_rancher_compose_beside_the_file_is_read(home: Path) -> None:
    (home / "docker-compose.yml").write_text(WEB)
    (home / "rancher-compose.yml").write_text("version: '2'\nservices: {web: {scale: 3}}\n")
    assert loaded().submission.document["services"]["web"]["scale"] == 3


# Paths that lead to something else.


def with_config(home: Path, path: str) -> str:
    text = f"services: {{web: {{image: a, configs: [c], env_file: [{{path: e, required: false}}]}}}}\nconfigs: {{c: {{file: '{path}'}}}}\n"
    (home / "compose.yaml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        loaded()
    return caught.value.message


def test_no_path_in_a_file_leads_to_a_device_a_pipe_a_directory_or_a_huge_file(home: Path) -> None:
    os.mkfifo(home / "pipe")
    (home / "link").symlink_to("/dev/zero")
    with (home / "huge").open("wb") as file:
        file.truncate(10 * 1024**3)
    assert "no regular file" in with_config(home, "/dev/zero")
    assert "no regular file" in with_config(home, "./pipe")
    assert "no regular file" in with_config(home, "./link")
    assert "it is a directory" in with_config(home, ".")
    assert "more than 4 MiB" in with_config(home, "huge")
    assert "no such file" in with_config(home, "~nobody-of-that-name/x")


def test_the_files_of_one_compose_file_are_bounded_in_all(home: Path) -> None:
    (home / "part").write_bytes(b"x" * 3 * 1024**2)
    configs = "".join(f"  c{n}: {{file: part}}\n" for n in range(30))
    uses = ", ".join(f"c{n}" for n in range(30))
    (home / "compose.yaml").write_text(f"services: {{web: {{image: a, configs: [{uses}]}}}}\nconfigs:\n{configs}")
    with pytest.raises(InvalidInput, match="64 MiB in all"):
        loaded()


def binds(home: Path, path: str) -> list[str]:
    (home / "compose.yaml").write_text(f"services: {{web: {{image: a, volumes: ['{path}:/x']}}}}\n")
    return [f.message for f in loaded().submission.notices]


def test_binds_of_the_directorys_own_small_files_travel_and_nothing_else_does(home: Path) -> None:
    (home / "run.sh").write_text("#!/bin/sh\n")
    (home / "run.sh").chmod(0o755)
    (home / "out").symlink_to("/etc/hostname")
    (home / "socket").mkdir()
    assert "travels along as a config" in binds(home, "./run.sh")[0]
    found = loaded().submission
    assert found.configs == {"run.sh": b"#!/bin/sh\n"}
    assert found.document["services"]["web"]["configs"] == [{"source": "run.sh", "target": "/x", "mode": "0555"}]
    assert "leads out of the project" in binds(home, "./out")[0]
    assert "leads out of the project" in binds(home, "../../../../../../etc/hostname")[0]
    assert "is a directory" in binds(home, ".")[0]
    assert "does not exist" in binds(home, "./nothing")[0]
    assert binds(home, "/etc/hostname") == []
    assert "travels along" in binds(home, f"{home}/run.sh")[0]


def test_a_pipe_may_be_named_on_the_command_line(home: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, WEB.encode())
    os.close(writing)
    assert image(loaded(f"/dev/fd/{reading}", stack="x")) == "nginx:1"
    os.close(reading)
    with pytest.raises(InvalidInput, match="larger than 16 MiB"):
        loaded("/dev/zero")
