"""Connections to a stable address between real containers of one network, while containers change."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from spin.addresses import NftAddresses
from spin.model.observed import ServiceAddress
from support.bridges import Bridges, Container, serving

OWNER = "research/development/shop"
PORT = 7000


class Stage:
    """A client, and containers of a service that answer; `lead` says which of these the stable address leads to."""

    def __init__(self, bridges: Bridges, nft: NftAddresses, count: int, *, internal: bool) -> None:
        bridges.network("default", internal=internal)
        self.bridges = bridges
        self.nft = nft
        self.client = bridges.container("default")
        self.servers = [bridges.container("default") for _ in range(count)]

    def entry(self, *targets: Container, hold: bool = False) -> ServiceAddress:
        return self.bridges.entry("default", *targets, owner=OWNER, hold=hold)

    async def lead(self, *targets: Container, hold: bool = False) -> None:
        await self.nft.set_entries(OWNER, (self.entry(*targets, hold=hold),))

    async def who(self, **more: float) -> str:
        return await self.client.who(self.entry().address, PORT, **more)


@asynccontextmanager
async def stage(bridges: Bridges, nft: NftAddresses, count: int, *, internal: bool = False) -> AsyncIterator[Stage]:
    made = Stage(bridges, nft, count, internal=internal)
    async with AsyncExitStack() as servers:
        for server in made.servers:
            await servers.enter_async_context(serving(server, PORT))
        yield made


@pytest.mark.parametrize("internal", [False, True], ids=["open", "internal"])
async def test_new_connections_are_spread_evenly(bridges: Bridges, nft: NftAddresses, internal: bool) -> None:
    async with stage(bridges, nft, 3, internal=internal) as on:
        await on.lead(*on.servers)
        met = Counter([await on.who() for _ in range(30)])
    assert met == {server.name: 10 for server in on.servers}


async def test_containers_are_exchanged_under_load_and_no_request_is_lost(bridges: Bridges, nft: NftAddresses) -> None:
    async with stage(bridges, nft, 4) as on:
        first, second = on.servers[:2], on.servers[2:]
        await on.lead(*first)
        met: list[str] = []
        done = asyncio.Event()

        async def load() -> None:
            while not done.is_set():
                met.append(await on.who(within=0.9))  # a packet that is lost is sent again after a second

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(load())
            for round_ in range(40):
                await on.lead(*(second if round_ % 2 == 0 else first))
                await asyncio.sleep(0.02)
            done.set()
    assert len(met) > 200
    assert {server.name for server in on.servers} == set(met)


async def test_when_it_is_set_no_new_connection_goes_to_who_has_left_and_those_that_exist_go_on(
    bridges: Bridges, nft: NftAddresses
) -> None:
    async with stage(bridges, nft, 2) as on:
        old, new = on.servers
        await on.lead(old)
        reader, writer = await on.client.connect(on.entry().address, PORT)
        assert (await reader.readline()).decode().strip() == old.name
        await on.lead(new)
        assert {await on.who() for _ in range(50)} == {new.name}
        writer.write(b"still there\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"still there\n"
        await on.lead()
        writer.write(b"and now\n")
        assert await asyncio.wait_for(reader.readline(), 5) == b"and now\n"
        writer.close()


@pytest.mark.parametrize("internal", [False, True], ids=["open", "internal"])
async def test_without_containers_a_connection_is_refused_at_once(bridges: Bridges, nft: NftAddresses, internal: bool) -> None:
    async with stage(bridges, nft, 0, internal=internal) as on:
        await on.lead()
        with pytest.raises(ConnectionRefusedError):
            await on.who(within=0.5)


async def test_where_one_is_about_to_come_a_connection_waits_for_it(bridges: Bridges, nft: NftAddresses) -> None:
    async with stage(bridges, nft, 1) as on:
        await on.lead(hold=True)
        waiting = asyncio.create_task(on.who(within=10))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await on.lead(*on.servers)
        assert await waiting == on.servers[0].name


async def test_datagrams_follow_the_address_too_and_leave_a_container_that_has_left(bridges: Bridges, nft: NftAddresses) -> None:
    loop = asyncio.get_running_loop()
    async with stage(bridges, nft, 2) as on:
        client, *servers = (c.socket(socket.SOCK_DGRAM) for c in (on.client, *on.servers))
        with contextlib.ExitStack() as sockets:
            for opened in (client, *servers):
                sockets.enter_context(opened)
            for server in servers:
                server.bind(("0.0.0.0", PORT))
            client.connect((on.entry().address, PORT))
            for number in (0, 1, 0):  # the same client's port all the time: one flow, as the kernel sees it
                await on.lead(on.servers[number])
                await loop.sock_sendall(client, b"hello")
                async with asyncio.timeout(5):
                    text, sender = await loop.sock_recvfrom(servers[number], 100)
                    await loop.sock_sendto(servers[number], text, sender)
                    assert await loop.sock_recv(client, 100) == b"hello"


async def test_a_container_that_is_killed_leaves_the_others_untouched(bridges: Bridges, nft: NftAddresses) -> None:
    async with stage(bridges, nft, 1) as on:
        lost = bridges.container("default")
        async with serving(lost, PORT):
            await on.lead(*on.servers, lost)
        await on.lead(*on.servers)
        assert {await on.who() for _ in range(10)} == {on.servers[0].name}
