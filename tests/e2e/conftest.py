"""One platform for each test worker, and a folder with a small stack for each test: built, shipped and run as users do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.platform import RunningPlatform, running_platform
from support.tiny import Stack, prepare


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="session")
def shipped(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny image in the platform's registry; returns its reference."""
    folder = tmp_path_factory.mktemp("tiny")
    prepare(folder)
    Stack(platform, folder, "tiny").ship()
    return f"{platform.registry}/demo/tiny:1.0"


@pytest.fixture
def stack(platform: RunningPlatform, shipped: str, tmp_path: Path) -> Iterator[Stack]:
    """A stack that is not up yet; removed with its volumes in the end."""
    assert shipped
    name = f"s{secrets.token_hex(3)}"
    folder = tmp_path / name
    folder.mkdir()
    prepare(folder)
    yield Stack(platform, folder, name)
    for environment in ("development", "production"):
        platform.spin("rm", name, "--volumes", "--yes", "-e", environment, check=False)
