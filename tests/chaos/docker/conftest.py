"""One platform for each test worker, with a tiny image in its registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.platform import RunningPlatform, running_platform
from support.tiny import Stack, prepare


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="session")
def image(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Reference of the tiny image."""
    folder = tmp_path_factory.mktemp("tiny")
    prepare(folder)
    Stack(platform, folder, "tiny").ship()
    return f"{platform.registry}/demo/tiny:1.0"
