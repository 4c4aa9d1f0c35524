"""The command line in this process, in a home of its own, against a scripted platform."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spin.cli import main
from support.fake_api import KEY, FakeApi, fake_api


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    status: int
    out: str
    err: str


Spin = Callable[..., Done]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, a configuration of its own, and nothing of the tester's own surroundings."""
    for name in list(os.environ):
        if name.startswith(("SPIN_", "COMPOSE_", "DOCKER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    work = tmp_path / "shop"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def anonymous(home: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Spin:
    """The command line, not signed in."""
    monkeypatch.setenv("SPIN_URL", api.url)

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run


@pytest.fixture
def spin(anonymous: Spin, monkeypatch: pytest.MonkeyPatch) -> Spin:
    """The command line, signed in as maria."""
    monkeypatch.setenv("SPIN_TOKEN", KEY)
    return anonymous
