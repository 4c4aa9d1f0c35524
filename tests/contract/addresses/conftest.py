"""Service addresses on this host's nftables: each test has a site, a table and networks of its own and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from spin.addresses import NftAddresses, unusable
from spin.addresses.simulated import SimulatedAddresses
from spin.ports.addresses import Addresses
from spin.site import Site
from support.bridges import Bridges, bridges, drop_table


@pytest.fixture(scope="session")
def usable() -> None:
    reason = asyncio.run(unusable(Site(id="t-usable")))
    if reason:
        pytest.skip(reason)


@pytest.fixture(name="bridges")
def _bridges(usable: None) -> Iterator[Bridges]:
    with bridges() as made:
        yield made


@pytest.fixture
def site(bridges: Bridges) -> Site:
    return replace(Site(), id=bridges.site)


@pytest_asyncio.fixture
async def nft(site: Site) -> AsyncIterator[NftAddresses]:
    addresses = NftAddresses(site)
    try:
        async with addresses:
            yield addresses
    finally:
        drop_table(addresses.table)


@pytest.fixture(params=["simulated", "nft"])
def addresses(request: pytest.FixtureRequest) -> Addresses:
    """The port, on each adapter in turn."""
    return SimulatedAddresses() if request.param == "simulated" else request.getfixturevalue("nft")
