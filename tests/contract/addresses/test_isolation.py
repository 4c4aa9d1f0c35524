"""Who may not use a stable address, and what lies beside: other stacks, the host, other sites, networks without a way out."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from spin.addresses import NftAddresses
from spin.model.observed import ServiceAddress
from spin.site import Site
from support.bridges import Bridges, drop_table, serving

OWNER = "research/development/shop"
STABLE = "10.212.0.1"
PORT = 7000


def entry(bridge: str, *targets: str, owner: str = OWNER) -> ServiceAddress:
    return ServiceAddress(owner, "default", "api", STABLE, bridge, tuple(sorted(targets)))


async def test_other_stacks_and_the_host_are_refused(bridges: Bridges, nft: NftAddresses) -> None:
    bridge = bridges.network("default")
    bridges.network("other")
    client, server, foreign = bridges.container("default"), bridges.container("default"), bridges.container("other")
    async with serving(server, PORT) as taken:
        await nft.set_entries(OWNER, (entry(bridge, server.address),))
        assert await client.who(STABLE, PORT) == server.name
        with pytest.raises(ConnectionRefusedError):
            await foreign.who(STABLE, PORT, within=0.9)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(asyncio.open_connection(STABLE, PORT), 0.9)
        with foreign.socket(socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((STABLE, PORT))
            datagrams.send(b"hello")
            with pytest.raises(ConnectionRefusedError):  # ICMP says so, and no packet goes on to the default route
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(datagrams, 10), 0.9)
        assert len(taken) == 1


async def test_an_address_of_the_range_that_nobody_has_is_refused_too(bridges: Bridges, nft: NftAddresses) -> None:
    bridges.network("default")
    client = bridges.container("default")
    with pytest.raises(ConnectionRefusedError):
        await client.who("10.212.0.77", PORT, within=0.9)


async def test_the_same_address_on_two_bridges_leads_each_to_its_own(bridges: Bridges, nft: NftAddresses) -> None:
    blog = "research/development/blog"
    here, there = bridges.network("here"), bridges.network("there")
    clients = bridges.container("here"), bridges.container("there")
    servers = bridges.container("here"), bridges.container("there")
    async with serving(servers[0], PORT), serving(servers[1], PORT):
        await nft.set_entries(OWNER, (entry(here, servers[0].address),))
        await nft.set_entries(blog, (entry(there, servers[1].address, owner=blog),))
        assert [await c.who(STABLE, PORT) for c in clients] == [s.name for s in servers]


async def test_two_sites_side_by_side_keep_out_of_each_others_way(bridges: Bridges, nft: NftAddresses, site: Site) -> None:
    here, there = bridges.network("here"), bridges.network("there")
    clients = bridges.container("here"), bridges.container("there")
    servers = bridges.container("here"), bridges.container("there")
    second = NftAddresses(replace(site, id=f"{site.id}-two"))
    try:
        async with second, serving(servers[0], PORT), serving(servers[1], PORT):
            await nft.set_entries(OWNER, (entry(here, servers[0].address),))
            await second.set_entries(OWNER, (entry(there, servers[1].address),))
            assert [await c.who(STABLE, PORT) for c in clients] == [s.name for s in servers]
            drop_table(nft.table)
            assert await clients[1].who(STABLE, PORT) == servers[1].name
            assert await nft.entries(OWNER) == (entry(here, servers[0].address),)
            assert await clients[0].who(STABLE, PORT) == servers[0].name
    finally:
        drop_table(second.table)


async def test_a_container_on_several_networks_reaches_stable_addresses_on_the_first_by_name_only(
    bridges: Bridges, nft: NftAddresses
) -> None:
    first, last = bridges.network("app"), bridges.network("web")
    client = bridges.container("web", "app")
    servers = bridges.container("app"), bridges.container("web")
    async with serving(servers[0], PORT), serving(servers[1], PORT):
        there = replace(entry(last, servers[1].address), network="web", address="10.212.0.129")
        await nft.set_entries(OWNER, (entry(first, servers[0].address), there))
        assert await client.who(STABLE, PORT) == servers[0].name
        with pytest.raises(ConnectionRefusedError):
            await client.who(there.address, PORT, within=1)
