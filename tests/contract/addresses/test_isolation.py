"""Who may not use a stable address, and what lies beside: other stacks, the host, other sites; and which networks have them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from spin.addresses import NftAddresses, held
from spin.site import Site
from support.bridges import Bridges, drop_table, serving

OWNER = "research/development/shop"
PORT = 7000


@asynccontextmanager
async def host_listening() -> AsyncIterator[int]:
    """A port on which the host itself listens, at all of its addresses; whoever gets through to it is told."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"the host\n")
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_other_stacks_and_the_host_are_refused(bridges: Bridges, nft: NftAddresses) -> None:
    bridges.network("default")
    bridges.network("other")
    client, server, foreign = bridges.container("default"), bridges.container("default"), bridges.container("other")
    entry = bridges.entry("default", server, owner=OWNER)
    async with serving(server, PORT) as taken:
        await nft.set_entries(OWNER, (entry,))
        assert await client.who(entry.address, PORT) == server.name
        with pytest.raises(ConnectionRefusedError):
            await foreign.who(entry.address, PORT, within=0.9)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.wait_for(asyncio.open_connection(entry.address, PORT), 0.9)
        with foreign.socket(socket.SOCK_DGRAM) as datagrams:
            datagrams.connect((entry.address, PORT))
            datagrams.send(b"hello")
            with pytest.raises(ConnectionRefusedError):  # ICMP says so, and no packet goes on to the default route
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(datagrams, 10), 0.9)
        assert len(taken) == 1


async def test_a_range_is_held_until_the_table_has_let_go_of_it_though_its_network_is_gone(
    bridges: Bridges, nft: NftAddresses
) -> None:
    bridges.network("here")
    entry = bridges.entry("here", bridges.container("here"), owner=OWNER)
    await nft.set_entries(OWNER, (entry,))
    await nft.close()  # a platform that ends leaves its table
    assert IPv4Network(entry.within) in await held()
    async with nft:
        await nft.set_entries(OWNER, ())
        assert IPv4Network(entry.within) not in await held()


@pytest.mark.parametrize("internal", [False, True], ids=["open", "internal"])
async def test_an_address_of_the_range_that_nobody_has_is_refused_too(
    bridges: Bridges, nft: NftAddresses, internal: bool
) -> None:
    bridges.network("default", internal=internal)
    client = bridges.container("default")
    await nft.set_entries(OWNER, (bridges.entry("default", client, owner=OWNER),))
    with pytest.raises(ConnectionRefusedError):
        await client.who(bridges.entry("default", owner=OWNER, number=77).address, PORT, within=0.9)


@pytest.mark.parametrize("internal", [False, True], ids=["open", "internal"])
async def test_nobody_meets_the_hosts_own_sockets_at_a_stable_address(
    bridges: Bridges, nft: NftAddresses, internal: bool
) -> None:
    bridges.network("default", internal=internal)
    bridges.network("other")
    client, server, foreign = bridges.container("default"), bridges.container("default"), bridges.container("other")
    led = bridges.entry("default", server, owner=OWNER)
    empty = bridges.entry("default", service="web", number=2, owner=OWNER)
    nobodys = bridges.entry("default", number=3, owner=OWNER).address
    await nft.set_entries(OWNER, (led, empty))
    async with host_listening() as port:
        assert await foreign.who(str(IPv4Network(bridges.links["other"].subnet)[1]), port) == "the host", "the host listens"
        for address in (led.address, empty.address, nobodys):
            for who in (client, foreign):
                with pytest.raises(ConnectionRefusedError):
                    await who.who(address, port, within=0.9)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.wait_for(asyncio.open_connection(address, port), 0.9)


async def test_a_published_port_of_another_stack_is_not_found_at_a_stable_address(bridges: Bridges, nft: NftAddresses) -> None:
    bridges.network("default")
    bridges.network("other")
    client, publishing = bridges.container("default"), bridges.container("other", published=PORT)
    empty = bridges.entry("default", owner=OWNER)
    await nft.set_entries(OWNER, (empty,))
    port = publishing.published
    async with serving(publishing, PORT):
        gateway = str(IPv4Network(bridges.links["default"].subnet)[1])
        assert await client.who(gateway, port) == publishing.name, "the host's own addresses lead there"
        for address in (empty.address, bridges.entry("default", owner=OWNER, number=2).address):
            with pytest.raises(ConnectionRefusedError):
                await client.who(address, port, within=0.9)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.wait_for(asyncio.open_connection(address, port), 0.9)


async def test_each_stack_finds_its_own_at_its_own_addresses(bridges: Bridges, nft: NftAddresses) -> None:
    blog = "research/development/blog"
    names = ("here", "there")
    for name in names:
        bridges.network(name)
    clients, servers = ([bridges.container(name) for name in names] for _ in range(2))
    entries = [bridges.entry(n, s, owner=o) for n, s, o in zip(names, servers, (OWNER, blog), strict=True)]
    async with serving(servers[0], PORT), serving(servers[1], PORT):
        await nft.set_entries(OWNER, (entries[0],))
        await nft.set_entries(blog, (entries[1],))
        assert [await c.who(e.address, PORT) for c, e in zip(clients, entries, strict=True)] == [s.name for s in servers]
        for client, entry in zip(clients, reversed(entries), strict=True):
            with pytest.raises(ConnectionRefusedError):
                await client.who(entry.address, PORT, within=0.9)


async def test_two_sites_side_by_side_keep_out_of_each_others_way(bridges: Bridges, nft: NftAddresses, site: Site) -> None:
    names = ("here", "there")
    for name in names:
        bridges.network(name)
    clients, servers = ([bridges.container(name) for name in names] for _ in range(2))
    entries = [bridges.entry(n, s, owner=OWNER) for n, s in zip(names, servers, strict=True)]
    second = NftAddresses(replace(site, id=f"{site.id}-two"))
    try:
        async with second, serving(servers[0], PORT), serving(servers[1], PORT):
            await nft.set_entries(OWNER, (entries[0],))
            await second.set_entries(OWNER, (entries[1],))
            assert [await c.who(e.address, PORT) for c, e in zip(clients, entries, strict=True)] == [s.name for s in servers]
            drop_table(nft.table)
            assert await clients[1].who(entries[1].address, PORT) == servers[1].name
            assert await nft.entries(OWNER) == (entries[0],)
            assert await clients[0].who(entries[0].address, PORT) == servers[0].name
    finally:
        drop_table(second.table)


@pytest.mark.parametrize("internal", [False, True], ids=["open", "internal"])
async def test_a_container_on_two_networks_calls_the_services_of_either(
    bridges: Bridges, nft: NftAddresses, internal: bool
) -> None:
    bridges.network("app", internal=internal)
    bridges.network("web")
    client = bridges.container("web", "app")
    alone = bridges.container("app")
    servers = bridges.container("app"), bridges.container("web", "app")
    inner = bridges.entry("app", *servers, owner=OWNER)
    outer = bridges.entry("web", servers[1], owner=OWNER)
    async with serving(servers[0], PORT), serving(servers[1], PORT):
        await nft.set_entries(OWNER, (inner, outer))
        assert {await client.who(inner.address, PORT) for _ in range(4)} == {s.name for s in servers}
        assert {await alone.who(inner.address, PORT) for _ in range(4)} == {s.name for s in servers}
        assert await client.who(outer.address, PORT) == servers[1].name
        with pytest.raises(OSError if internal else ConnectionRefusedError):
            await alone.who(outer.address, PORT, within=0.9)
