"""Containers on networks of their own, and sockets inside them: a test speaks as if it were a program in the container.

A socket belongs for ever to the network namespace in which it was made. So only making it needs a visit there, by a thread that
does not come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, TypeVar

from spin.model.observed import Link, ServiceAddress
from spin.model.subnets import halves
from support.docker import engine_site
from support.platform import docker, eventually
from support.tiny import base_image

T = TypeVar("T")

_NEW_NETWORK_NAMESPACE: Final = 0x40000000  # CLONE_NEWNET
_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, in a thread of its own that ends then."""
    outcome: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed on
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return outcome[0]


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` in an empty network namespace of its own, as all programs that it starts; what it does there ends with it."""

    def run() -> T:
        _check(_LIBC.unshare(_NEW_NETWORK_NAMESPACE))
        return asyncio.run(work())

    return in_thread(run)


def socket_within(pid: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A new socket in the network of that process."""

    def make() -> socket.socket:
        with open(f"/proc/{pid}/ns/net") as namespace:  # noqa: PTH123
            _check(_LIBC.setns(namespace.fileno(), _NEW_NETWORK_NAMESPACE))
        return socket.socket(socket.AF_INET, kind)

    return in_thread(make)


@dataclass(frozen=True)
class Container:
    """A container that sleeps."""

    name: str
    pid: int
    address: str
    """On the first of its networks."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """On each of its networks, by name."""
    published: int = 0
    """The host's port that leads to the one that was to be published."""

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A new socket in the container's network."""
        made = socket_within(self.pid, kind)
        made.setblocking(False)
        return made

    async def connect(self, address: str, port: int, *, within: float = 5) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection from the container; TimeoutError if none within so many seconds."""
        made = self.socket()
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return await asyncio.open_connection(sock=made)

    async def who(self, address: str, port: int, *, within: float = 5) -> str:
        """Whom a new connection meets (see `serving`)."""
        reader, writer = await self.connect(address, port, within=within)
        try:
            async with asyncio.timeout(within):
                return (await reader.readline()).decode().strip()
        finally:
            writer.close()


@asynccontextmanager
async def serving(container: Container, port: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """A server in the container that says the container's name on each connection, then every line that it gets; yields those open."""
    taken: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        with contextlib.suppress(ConnectionError):
            writer.write(f"{container.name}\n".encode())
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        writer.close()

    listening = container.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", port))
    server = await asyncio.start_server(serve, sock=listening, backlog=256)
    try:
        yield taken
    finally:
        server.close()
        for writer in taken:
            writer.close()


@dataclass
class Bridges:
    """Networks and containers of one test."""

    site: str
    links: dict[str, Link] = field(default_factory=dict)
    """Each network, by name."""

    def network(self, name: str, *, internal: bool = False) -> str:
        """Make a network; returns the name of its bridge on the host."""
        full = f"{self.site}-{name}"
        bridge = f"t{random.randrange(16**10):010x}"
        options = ["--label", f"spin.site={self.site}", "--opt", f"com.docker.network.bridge.name={bridge}"]
        if internal:
            options.append("--internal")
        for attempt in range(20):
            subnet = IPv4Network(f"10.{random.randrange(100, 200)}.{random.randrange(256)}.0/24")
            lower, upper = halves(subnet)
            try:
                docker("network", "create", *options, "--subnet", str(subnet), "--ip-range", str(lower), full)
                break
            except AssertionError as error:
                if "overlaps" not in str(error) or attempt == 19:
                    raise
        self.links[name] = Link(name, bridge, str(subnet), internal, str(upper))
        return bridge

    def entry(
        self, network: str, *targets: Container, service: str = "api", number: int = 1, owner: str, hold: bool = False
    ) -> ServiceAddress:
        """The entry of service `number` on that network, leading to `targets`."""
        link = self.links[network]
        address = link.service_address(number)
        assert address is not None
        led = tuple(sorted(t.addresses[network] for t in targets))
        return ServiceAddress(owner, network, service, address, link.services, link.interface, led, hold)

    def container(self, network: str, *more: str, published: int | None = None) -> Container:
        """Start a container on that network, and on `more`; `published`: a port of it gets one of the host's."""
        ports = [] if published is None else ["--publish", str(published)]
        made = docker(
            *("create", "--label", f"spin.site={self.site}", "--network", f"{self.site}-{network}", "--init", *ports),
            *("--entrypoint", "/bin/busybox", base_image(), "sleep", "infinity"),
        ).strip()
        for other in more:
            docker("network", "connect", f"{self.site}-{other}", made)
        docker("start", made)
        each = "".join(f' {{{{(index .NetworkSettings.Networks "{self.site}-{n}").IPAddress}}}}' for n in (network, *more))
        pid, *addresses = docker("inspect", "--format", f"{{{{.State.Pid}}}}{each}", made).split()
        host = 0 if published is None else int(docker("port", made, str(published)).splitlines()[0].rpartition(":")[2])
        return Container(made[:12], int(pid), addresses[0], dict(zip((network, *more), addresses, strict=True)), host)


@contextlib.contextmanager
def bridges() -> Iterator[Bridges]:
    with engine_site() as site:
        yield Bridges(site)


def run(*command: str, stdin: str = "") -> str:
    """What a command prints that has to succeed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def drop_table(name: str) -> None:
    """Remove a table, whether it is there or not."""
    run("nft", "-f", "-", stdin=f"add table ip {name}\ndelete table ip {name}\n")


def _namespace(process: int | str) -> Path:
    return Path(f"/proc/{process}/ns/net").readlink()


@contextlib.contextmanager
def island(hosts: int, *, bridged_packets_are_tracked: bool) -> Iterator[tuple[str, list[Container]]]:
    """A bridge with so many hosts on it, in the network namespace that one is in: `apart`, where rules are one's own."""
    bridge = "island"
    for name, value in (("ipv4/ip_forward", 1), ("bridge/bridge-nf-call-iptables", int(bridged_packets_are_tracked))):
        Path("/proc/sys/net", name).write_text(str(value))
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", bridge, "type", "bridge")
    run("ip", "address", "add", "10.208.0.1/24", "dev", bridge)
    run("ip", "link", "set", bridge, "up")
    with contextlib.ExitStack() as started:
        found = []
        for number in range(2, hosts + 2):
            process = started.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "infinity"]))
            started.callback(process.kill)
            eventually(lambda p=process.pid: _namespace(p) != _namespace("thread-self"), what="the host has a network of its own")
            run("ip", "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
            run("ip", "link", "set", f"port{number}", "master", bridge, "up")
            for words in (
                ("link", "set", "lo", "up"),
                ("address", "add", f"10.208.0.{number}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("route", "add", "default", "via", "10.208.0.1"),
            ):
                run("nsenter", f"--net=/proc/{process.pid}/ns/net", "ip", *words)
            found.append(Container(f"host{number}", process.pid, f"10.208.0.{number}"))
        yield bridge, found
