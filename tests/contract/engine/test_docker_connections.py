"""How many connections others have open to a container: real sockets, of all kinds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from spin.engines.docker.connections import connections
from spin.model.observed import Instance, Phase
from spin.model.stack import Http
from support.docker import inside, inspect
from support.engines import Bench
from support.platform import docker

PORT = 7002
# The second one is two processes that listen on one port by SO_REUSEPORT, for both families.
_PRELUDE = "use Socket qw(:all); "
_HOLD = "while (accept(my $c, S)) { unless (fork) { sysread($c, my $x, 1); exit 0 } close $c; }"  # a child each, until the peer closes
_PLAIN = f"socket(S, AF_INET, SOCK_STREAM, 0); bind(S, pack_sockaddr_in({PORT}, INADDR_ANY)) or die; listen(S, 9); {_HOLD}"
_BOTH = (
    "fork; socket(S, AF_INET6, SOCK_STREAM, 0); setsockopt(S, IPPROTO_IPV6, IPV6_V6ONLY, 0); "
    f"setsockopt(S, SOL_SOCKET, SO_REUSEPORT, 1); bind(S, pack_sockaddr_in6({PORT}, IN6ADDR_ANY)) or die; listen(S, 9); {_HOLD}"
)
_HALF = f"socket(S, AF_INET, SOCK_STREAM, 0); bind(S, pack_sockaddr_in({PORT}, INADDR_ANY)) or die; listen(S, 9); sleep 1000;"


async def holding(bench: Bench, program: str = _PLAIN, name: str = "web") -> Instance:
    spec = bench.service(name, command=("perl", "-e", _PRELUDE + program), http=Http(PORT))
    return await bench.until_phase(await bench.run(spec), Phase.READY)


async def counted(bench: Bench, one: Instance) -> int | None:
    seen = await bench.engine.observe(bench.key, draining={one.id})
    return next(i.connections for i in seen.instances if i.id == one.id)


async def until_counted(bench: Bench, one: Instance, number: int) -> None:
    for _ in range(400):
        if await counted(bench, one) == number:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never {number} connections, but {await counted(bench, one)}")


@contextmanager
def connected(one: Instance, number: int = 1) -> Iterator[list[socket.socket]]:
    assert one.address is not None
    open_ = [socket.create_connection((one.address, PORT), timeout=10) for _ in range(number)]
    try:
        yield open_
    finally:
        for each in open_:
            each.close()


@pytest.mark.parametrize("program", [_PLAIN, _BOTH], ids=["IPv4", "IPv6 and two processes"])
async def test_what_others_have_open_is_counted_until_they_close_it(docker_bench: Bench, program: str) -> None:
    one = await holding(docker_bench, program)
    await until_counted(docker_bench, one, 0)
    with connected(one, 3):
        await until_counted(docker_bench, one, 3)
        assert len(inside(one.id, "sh", "-c", "cat /proc/net/tcp /proc/net/tcp6").stdout.splitlines()) >= 6
    await until_counted(docker_bench, one, 0)


async def test_a_connection_that_nobody_has_accepted_counts(docker_bench: Bench) -> None:
    one = await holding(docker_bench, _HALF)
    # What looked whether it is up has closed its end, and nobody has taken notice: that is still the container's to answer.
    await until_counted(docker_bench, one, 1)
    with connected(one):
        await until_counted(docker_bench, one, 2)


async def test_its_own_connections_do_not_count_whereto_ever(docker_bench: Bench) -> None:
    web = await holding(docker_bench)
    api = await holding(docker_bench, name="api")
    await until_counted(docker_bench, web, 0)
    program = (
        f"use Socket qw(:all); for (qw(127.0.0.1 {api.address})) {{ socket(my $s, AF_INET, SOCK_STREAM, 0); "
        f"connect($s, pack_sockaddr_in({PORT}, inet_aton($_))) or die; push @s, $s }} "
        "sleep 1000"
    )
    docker("exec", "--detach", web.id, "perl", "-e", program)
    await until_counted(docker_bench, api, 1)
    assert await counted(docker_bench, web) == 0


async def test_only_those_asked_for_are_counted_and_what_does_not_run_has_none(docker_bench: Bench) -> None:
    one = await holding(docker_bench)
    (seen,) = (await docker_bench.engine.observe(docker_bench.key)).instances
    assert seen.connections is None
    docker("stop", "--time", "0", one.id)
    assert await counted(docker_bench, one) == 0


async def test_a_process_that_is_not_the_containers_tells_nothing(docker_bench: Bench) -> None:
    one = await holding(docker_bench)
    assert one.address is not None
    pid = inspect(one.id)["State"]["Pid"]
    assert connections(pid, one.address) is not None
    assert connections(pid, "198.51.100.1") is None
    assert connections(2**22 + 1, one.address) is None
