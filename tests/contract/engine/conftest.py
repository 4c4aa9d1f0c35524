"""One suite for the engine port, run on every engine there is; each test has a site of its own and leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from spin.model.stack import Image
from support.docker import LocalRegistry, engine_site, tiny_image
from support.engines import Access, Bench, Secrets, docker_engine, kill_inside, simulated_bench, site_for_tests


@pytest.fixture(scope="session")
def registry() -> Iterator[LocalRegistry]:
    with LocalRegistry() as running:
        yield running


@pytest.fixture(scope="session")
def tiny(registry: LocalRegistry) -> Image:
    """The tiny image, pinned."""
    repository, _, digest = registry.push(tiny_image(), "test/tiny:1").partition("@")
    return Image(f"{repository}:1", digest)


@pytest_asyncio.fixture
async def docker_bench(tiny: Image) -> AsyncIterator[Bench]:
    """A Bench on the Docker Engine of this machine."""
    with engine_site() as name:
        site, secrets, access = site_for_tests(name), Secrets(), Access()
        async with docker_engine(site, secrets, access) as engine:
            yield Bench(engine, site, tiny, secrets, access, kill_inside)


@pytest.fixture(name="simulated_bench")
def _simulated_bench() -> Bench:
    return simulated_bench()


@pytest.fixture(params=["simulated", "docker"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A Bench on each engine in turn."""
    return request.getfixturevalue(f"{request.param}_bench")
