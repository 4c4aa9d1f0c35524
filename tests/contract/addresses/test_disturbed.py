"""What others do to the host's rules, and what lies beside them. In network namespaces of their own: nobody else is disturbed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from spin.addresses import NftAddresses, unusable
from spin.addresses.nft import LOOK_EVERY
from spin.addresses.routes import PROTOCOL
from spin.model.observed import ServiceAddress
from spin.site import Site
from support.bridges import apart, island, run, serving

pytestmark = pytest.mark.usefixtures("usable")

OWNER = "research/development/shop"
PORT = 7000
SITE = Site(id="apart")
API = ServiceAddress(OWNER, "default", "api", "10.208.0.254", "10.208.0.128/25", "island", ("10.208.0.3",))

# The chains and verdicts that Docker makes for a network of its own, and the policy that it sets.
DOCKER = """\
*filter
:FORWARD DROP [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o island -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i island ! -o island -j ACCEPT
-A FORWARD -i island -o island -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i island ! -o island -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o island -j DROP
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.208.0.0/24 ! -o island -j MASQUERADE
COMMIT
"""

# The manner of firewalld: chains of its own in a table `inet`, where what no zone allows is refused.
FIREWALL = """\
table inet firewall {
  chain prerouting { type nat hook prerouting priority dstnat + 10; policy accept; }
  chain forward {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    iifname "island" oifname "island" accept
    reject with icmpx admin-prohibited
  }
  chain input {
    type filter hook input priority filter + 10; policy accept;
    ct state { established, related } accept
    iifname "lo" accept
    reject with icmpx admin-prohibited
  }
}
"""

DISTURBANCES = (
    ("flush", "ruleset"),
    ("delete", "table", "ip", "spin-apart"),
    ("flush", "table", "ip", "spin-apart"),
    ("flush", "chain", "ip", "spin-apart", "prerouting"),
    ("flush", "map", "ip", "spin-apart", "services"),
    ("flush", "set", "ip", "spin-apart", "ranges"),
    ("flush", "set", "ip", "spin-apart", "known"),
    ("insert", "rule", "ip", "spin-apart", "to/research/development/shop/default/api", "drop"),
)


def rules() -> list[str]:
    """The table's parts, without the name of its writing; in which order they were made does not matter."""
    parts = run("nft", "list", "table", "ip", "spin-apart").removesuffix("}\n").partition("{\n")[2].split("\n\n")
    return sorted(part.strip() for part in parts if "written/" not in part)


async def until(check: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "not repaired"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=" ".join)
def test_a_change_by_somebody_else_is_repaired_without_anybody_asking(disturbance: tuple[str, ...]) -> None:
    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(OWNER, (API,))
            good = rules()
            run("nft", *disturbance)
            await until(lambda: "spin-apart" in run("nft", "list", "tables") and rules() == good, within=LOOK_EVERY - 1)

    apart(work)


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=" ".join)
def test_entries_are_true_at_once_whatever_somebody_else_has_done(disturbance: tuple[str, ...]) -> None:
    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(OWNER, (API,))
            good = rules()
            for _ in range(3):
                run("nft", *disturbance)
                assert await addresses.entries(OWNER) == (API,)
                assert rules() == good

    apart(work)


def test_changes_of_other_tables_cause_no_writing() -> None:
    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(OWNER, (API,))
            written = run("nft", "list", "table", "ip", "spin-apart")
            run("iptables", "-A", "FORWARD", "-j", "ACCEPT")
            run("nft", "-f", "-", stdin="table ip spin-apart-two { chain a { accept; }; }; delete table ip spin-apart-two")
            assert await addresses.entries(OWNER) == (API,)
            await asyncio.sleep(0.2)
            assert run("nft", "list", "table", "ip", "spin-apart") == written

    apart(work)


def test_the_next_process_finds_what_the_last_one_left_and_one_owner_does_not_wipe_the_others() -> None:
    blog = "research/development/blog"
    db = ServiceAddress(blog, "Back.end_2", "db", "10.208.1.126", "10.208.1.64/26", "island", (), hold=True)
    web = ServiceAddress(blog, "Back.end_2", "web", "10.208.1.125", "10.208.1.64/26", "island", ())
    two = ServiceAddress(blog, "front", "web", "10.208.1.253", "10.208.1.192/26", "island", ("10.208.0.10", "10.208.0.9"))

    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(OWNER, (API,))
            await addresses.set_entries(blog, (db, web, two))
        async with NftAddresses(SITE) as addresses:
            assert await addresses.entries(blog) == (db, web, two)
            await addresses.set_entries(OWNER, ())
            assert await addresses.entries(blog) == (db, web, two)

    apart(work)


def test_the_longest_names_there_can_be_find_place() -> None:
    owner = "/".join(("p" * 40, "e" * 40, "s" * 40))
    entry = ServiceAddress(owner, "N" * 63, "S" * 63, "10.208.0.254", "10.208.0.128/25", "island", ("10.208.0.3",))

    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(owner, (entry,))
        async with NftAddresses(SITE) as addresses:
            assert await addresses.entries(owner) == (entry,)

    apart(work)


def local_routes() -> list[str]:
    return run("ip", "-o", "route", "show", "table", "local", "proto", str(PROTOCOL)).splitlines()


def test_local_routes_come_and_go_with_the_entries_and_those_of_others_stay() -> None:
    foreign = ("10.208.3.0/24", "dev", "island", "table", "local", "proto", str(PROTOCOL), "metric", "7")

    async def work() -> None:
        with island(0, bridged_packets_are_tracked=True):
            run("ip", "route", "add", "local", *foreign)
            async with NftAddresses(SITE) as addresses:
                await addresses.set_entries(OWNER, (API, replace(API, service="db", address="10.208.0.253", interface="gone")))
                assert [r.split()[1] for r in local_routes()] == [API.within, foreign[0]]
            assert len(local_routes()) == 2, "they stay when the platform ends"
            async with NftAddresses(SITE) as addresses, NftAddresses(replace(SITE, id="another")) as second:
                await second.set_entries(OWNER, (replace(API, address="10.208.1.126", within="10.208.1.64/26"),))
                await addresses.set_entries(OWNER, ())
                assert [r.split()[1] for r in local_routes()] == ["10.208.1.64/26", foreign[0]]

    apart(work)


@pytest.mark.parametrize(
    "loss", [("route", "flush", "table", "local", "proto", str(PROTOCOL)), ("link", "set", "island", "down")]
)
def test_local_routes_that_are_lost_are_restored(loss: tuple[str, ...]) -> None:
    async def work() -> None:
        with island(2, bridged_packets_are_tracked=True) as (_, (client, server)):
            async with NftAddresses(SITE) as addresses, serving(server, PORT):
                await addresses.set_entries(OWNER, (API,))
                good = local_routes()
                run("ip", "route", "flush", "table", "local", "proto", str(PROTOCOL))
                assert local_routes() == []
                await until(lambda: local_routes() == good, within=LOOK_EVERY + 5)
                assert await client.who(API.address, PORT) == server.name

    apart(work)


def test_a_network_that_is_made_anew_has_its_route_again() -> None:
    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            with island(0, bridged_packets_are_tracked=True):
                await addresses.set_entries(OWNER, (API,))
                run("ip", "link", "delete", "island")
                assert local_routes() == []
            with island(0, bridged_packets_are_tracked=True):
                await until(lambda: len(local_routes()) == 1, within=LOOK_EVERY + 5)

    apart(work)


def test_a_host_that_answers_for_some_of_its_addresses_only_cannot_be_used() -> None:
    async def work() -> None:
        run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        assert "arp_ignore" in await unusable(SITE)

    apart(work)


def test_a_host_that_may_be_used_says_nothing_and_is_left_as_it_was() -> None:
    async def work() -> None:
        assert await unusable(SITE) == ""
        assert run("nft", "list", "ruleset") == ""

    apart(work)


@pytest.mark.parametrize("tracked", [True, False], ids=["bridged packets tracked", "not tracked"])
@pytest.mark.parametrize("beside", ["nothing", "docker", "firewall"])
def test_it_works_beside_other_rules_and_after_they_are_flushed(beside: str, tracked: bool) -> None:
    async def work() -> None:
        with island(3, bridged_packets_are_tracked=tracked) as (bridge, (client, server, other)):
            if beside == "docker":
                run("iptables-restore", stdin=DOCKER)
            if beside == "firewall":
                run("nft", "-f", "-", stdin=FIREWALL)
            async with NftAddresses(SITE) as addresses, serving(server, PORT), serving(other, PORT):
                await addresses.set_entries(OWNER, (API,))
                assert {await client.who(API.address, PORT) for _ in range(20)} == {server.name}
                reader, writer = await client.connect(API.address, PORT)
                await reader.readline()
                run("nft", "flush", "ruleset")
                assert await addresses.entries(OWNER) == (API,)
                assert await client.who(API.address, PORT) == server.name
                writer.write(b"still there\n")
                assert await asyncio.wait_for(reader.readline(), 5) == b"still there\n"
                writer.close()
            assert bridge == API.interface

    apart(work)


@pytest.mark.parametrize("lost", ["before the start", "by a flush"])
def test_what_was_sent_while_there_was_no_table_finds_its_way_afterwards(lost: str) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        with island(2, bridged_packets_are_tracked=True) as (_, (client, server)), socket.socket(type=socket.SOCK_DGRAM) as host:
            host.bind(("0.0.0.0", PORT))
            host.setblocking(False)
            with client.socket(socket.SOCK_DGRAM) as sending, server.socket(socket.SOCK_DGRAM) as receiving:
                receiving.bind((API.targets[0], PORT))
                sending.connect((API.address, PORT))

                async def astray() -> None:
                    run("nft", "flush", "ruleset")
                    sending.send(b"astray")
                    assert await asyncio.wait_for(loop.sock_recv(host, 100), 5) == b"astray"

                if lost == "before the start":
                    async with NftAddresses(SITE) as addresses:
                        await addresses.set_entries(OWNER, (API,))
                    await astray()
                async with NftAddresses(SITE) as addresses:
                    await addresses.set_entries(OWNER, (API,))
                    if lost == "by a flush":
                        await astray()
                        await addresses.entries(OWNER)
                    sending.send(b"hello")
                    assert await asyncio.wait_for(loop.sock_recv(receiving, 100), 5) == b"hello"

    apart(work)


def test_when_bridged_packets_take_another_way_the_table_follows() -> None:
    async def work() -> None:
        with island(2, bridged_packets_are_tracked=True) as (_, (client, server)):
            async with NftAddresses(SITE) as addresses, serving(server, PORT):
                await addresses.set_entries(OWNER, (API,))
                assert await client.who(API.address, PORT) == server.name
                run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")
                await until(lambda: "masquerade" in str(rules()), within=LOOK_EVERY + 5)
                assert await client.who(API.address, PORT) == server.name

    apart(work)


def test_a_thousand_addresses_are_replaced_within_a_second_and_a_look_does_not_grow_with_them() -> None:
    def of(number: int) -> tuple[str, tuple[ServiceAddress, ...]]:
        owner = f"research/development/shop{number}"
        targets = tuple(sorted((f"10.208.{number}.2", f"10.208.{number}.3")))
        place = (f"10.208.{number}.128/25", "island", targets)
        return owner, tuple(ServiceAddress(owner, "default", f"s{n}", f"10.208.{number}.{255 - n}", *place) for n in range(1, 6))

    async def look(addresses: NftAddresses) -> float:
        begin = time.perf_counter()
        for _ in range(1000):
            await addresses.entries("research/development/shop0")
        return time.perf_counter() - begin

    async def work() -> None:
        async with NftAddresses(SITE) as addresses:
            await addresses.set_entries(*of(0))
            few = min([await look(addresses) for _ in range(5)])
            await asyncio.gather(*(addresses.set_entries(*of(number)) for number in range(1, 200)))
            owner, entries = of(0)
            begin = time.perf_counter()
            await addresses.set_entries(owner, entries[:4])
            assert time.perf_counter() - begin < 1
            many = min([await look(addresses) for _ in range(5)])
            assert many < 2 * few
            assert str(rules()).count("dnat to") == 2 * 999

    apart(work)
