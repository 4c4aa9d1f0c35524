"""Which Compose files are loaded, with which variables, and what the stack is called: as Docker Compose does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spin.cli import files
from spin.errors import InvalidInput

WEB = "services: {web: {image: 'nginx:1'}}\n"


def loaded(*names: str, env_files: list[str] | None = None, stack: str | None = None) -> files.Loaded:
    return files.load(list(names), env_files, stack, {"SPIN_REGISTRY": "localhost:5999", "SPIN_PROJECT": "demo"})


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
