"""What the shells offer: commands, options, and the names of things that the platform has. In real shells, against a real API."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from spin.cli import commands
from spin.cli.completion import candidates
from support.served_api import Served, served_api

Spin = Callable[..., Any]
COMPOSE = """services:
  web: {image: "${SPIN_REGISTRY}/${SPIN_PROJECT}/web:1", deploy: {replicas: 2}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"t{zlib.crc32(request.node.name.encode())}"


@pytest.fixture
def lab(served: Served, home: Path, name: str, spin: Spin, monkeypatch: pytest.MonkeyPatch) -> Spin:
    """Signed in as the owner of `lab`, where a stack runs and a secret is kept."""
    monkeypatch.setenv("SPIN_URL", served.url)
    monkeypatch.setenv("SPIN_TOKEN", served.keys["otto"])
    (home / "compose.yaml").write_text(COMPOSE)
    assert spin("up", "-s", name).status == 0
    assert spin("secret", "create", f"{name}.key", "-", stdin="x").status == 0
    return spin


def offered(*words: str) -> list[str]:
    return [word for word, _ in candidates(words, commands.table({}).rows())]


def test_commands_and_what_is_below_a_noun_are_offered_with_their_help() -> None:
    assert {"up", "ps", "secret"} <= set(offered(""))
    assert offered("sec") == ["secret"]
    assert offered("secret", "") == ["ls", "create", "rm"]
    assert ("ls", "List stacks.") in list(candidates(["stack", ""], commands.table({}).rows()))
    assert offered("nonsense", "") == []


def test_options_and_their_choices_are_offered() -> None:
    assert "--environment" in offered("ps", "--e")
    assert offered("wait", "--for", "s") == ["stopped", "settled"]
    assert offered("completion", "") == ["bash", "zsh", "fish"]


def test_names_are_those_of_the_platform_as_far_as_they_are_typed(lab: Spin, name: str) -> None:
    assert name in offered("ps", "")
    assert offered("logs", name[:4]) == [name]
    assert offered("logs", f"{name}/") == [f"{name}/web"]
    assert offered("logs", f"{name}/web/") == [f"{name}/web/1", f"{name}/web/2"]
    assert offered("secret", "rm", f"{name}.") == [f"{name}.key"]
    assert offered("ps", "-e", "") == ["development", "production", "sandbox"]
    assert offered("ps", "-e", "sandbox", "") == []
    assert "lab" in offered("ps", "--project", "")
    assert offered("inspect", "--type", "secret", name) == [f"{name}.key"]


def test_variables_choose_the_place_as_they_do_for_the_command_itself(lab: Spin, name: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("SPIN_ENVIRONMENT", "sandbox")
    assert offered("ps", "") == []
    assert name in offered("ps", "-e", "development", "")
    monkeypatch.setenv("SPIN_ENVIRONMENT", "development")
    monkeypatch.setenv("SPIN_PROJECT", "nonsense")
    assert offered("ps", "") == []
    monkeypatch.setenv("SPIN_PROJECT", "lab")
    assert name in offered("ps", "")


def test_a_copy_is_offered_containers_where_no_file_can_be_meant(lab: Spin, name: str) -> None:
    assert offered("cp", f"{name}/") == [f"{name}/web"]
    assert offered("cp", "file", name[:4]) == [name]
    assert offered("cp", "") == offered("cp", "./") == []


def test_without_a_platform_or_a_key_there_are_no_names_and_no_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SPIN_TOKEN", "spin_x_y")
    assert offered("ps", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_real_shell_completes_a_command_and_a_stack(shell: str, lab: Spin, name: str, home: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed: its script cannot be tried")
    arguments = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[shell]
    setup = {
        "bash": "source <(spin completion bash)",
        "zsh": "autoload -U compinit && compinit -D && source <(spin completion zsh)",
        "fish": "spin completion fish | source",
    }[shell]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "xterm", "PS1": "$ "}
    child = pexpect.spawn(program, arguments, env=environment, cwd=str(home), timeout=30, encoding="utf-8", dimensions=(50, 200))
    try:
        child.sendline(setup + " ; echo rea''dy")
        child.expect("ready")
        child.send("spin wai\t")
        _expect_screen(child, r"spin wait")
        child.send(f"{name[:5]}\t")
        _expect_screen(child, re.escape(name))
    finally:
        child.close(force=True)


def _expect_screen(child: Any, pattern: str) -> None:
    """Until the terminal shows it: shells redraw a line in pieces, with escape sequences in between."""
    shown = ""
    deadline = time.monotonic() + 30
    while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]", "", shown)):
        assert time.monotonic() < deadline, repr(shown)
        try:
            shown += child.read_nonblocking(4096, timeout=1)
        except pexpect.TIMEOUT:
            continue
