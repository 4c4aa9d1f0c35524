"""The real Docker Compose."""

from __future__ import annotations

import pytest

from support import docker_compose


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """Its command: that of this machine, else fetched once into .spin."""
    return docker_compose.find()[0]
