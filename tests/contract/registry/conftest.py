from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.docker import tiny_image
from support.processes import workplace
from support.shipping import Shipyard, shipyard

__all__ = ["workplace"]


@pytest.fixture(scope="session")
def yard() -> Iterator[Shipyard]:
    with shipyard() as running:
        yield running


@pytest.fixture(scope="session")
def image() -> str:
    return tiny_image()
