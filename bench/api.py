"""`./run bench api`: what the API answers in what time, with 1,000 stacks stored and 50 clients; and `spin ps` with 500 services.

A process serves the real API with the real store (SQLite) and the real controller, by the same server and with the same settings as
`spin serve`; only engine, edge and registries are simulated. The stacks have three services each and are in 20 projects. Each of 50
clients has a connection that it keeps, and asks anew as soon as it has its answer, for another project or stack each time:

- list: all stacks of a project in an environment, with services and containers;
- show: one stack;
- check: a document of three services against the rules, and its images looked up;
- check with a name: of one service with a host name of its own, which no other stack of the site may have.

By turns in each round, the same server answers the same bytes from memory: what server, connection and machine take by themselves.
Of each question the server's processor time for a request is taken, too, which other work on the machine changes least.
`spin ps` is a command of its own each time, by turns with `python -c pass` and `spin --version`. Exit status 1 where `spin ps` takes
more than half a second (median), or where an answer is not what it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import structlog
import uvicorn
import uvloop
from controller import stack
from fastapi import APIRouter, Response

from spin.addresses.simulated import SimulatedAddresses
from spin.api import SERVER, build
from spin.api.passwords import Argon2Passwords
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.revision import Deployment, Origin, Revision
from spin.model.stack import StackSpec
from spin.ports.store import ApiKey, User
from spin.reconcile import Controller
from spin.reconcile.passes import World
from spin.site import Site
from spin.store import SqlStore, open_store, sqlite_url
from spin.usecases.platform import Platform
from spin.usecases.sign_in import key_hash, new_key
from support.api import DIGEST, DictImages, submission
from support.platform import free_ports

PROJECTS = 20
WIDE = ("wide", 10, 50)
"""A project for `spin ps`: so many stacks of so many services, the most that a site allows a stack unless told otherwise."""
ENVIRONMENT = EnvironmentName("development")
SITE = Site(id="bench")
PS_SECONDS = 0.5
PREFIX = "/api/v1"


# ---- The server ---------------------------------------------------------------------------------------------------------------


def wide_stack(services: int) -> StackSpec:
    """That many services, each as the first of the usual stack."""
    one = stack().services[0]
    return replace(
        stack(), services=tuple(replace(one, name=f"service-{n:02}", depends_on=(), http=None) for n in range(services))
    )


async def fill(store: SqlStore, count: int) -> str:
    """The stacks as `spin up` leaves them, and a person who may see them all. Returns the person's key."""
    now = datetime.now(UTC)
    identifier, text = new_key()
    async with store.begin(write=True) as work:
        await work.add_user(User("ann", operator=True, created=now), None)
        await work.add_key(ApiKey(identifier, "ann", "bench", now, last_used=now), key_hash(text))
        for project in (*(f"project-{n:02}" for n in range(PROJECTS)), WIDE[0]):
            await work.add_project(project, now)
        names = [(f"project-{n % PROJECTS:02}", f"stack-{n:04}", stack()) for n in range(count)]
        names += [(WIDE[0], f"wide-{n:02}", wide_stack(WIDE[2])) for n in range(WIDE[1])]
        for project, name, spec in names:
            key = DeploymentKey(ProjectName(project), ENVIRONMENT, StackName(name))
            numbers = tuple((s.name, n) for n, s in enumerate(spec.services, 1))
            await work.add_deployment(Deployment(key, 1, 1, created=now, changed=now, numbers=numbers))
            await work.add_revision(key, Revision(1, spec, (), "ann", now, Origin.UP))
    return text


async def serve(folder: Path, port: int, count: int) -> None:
    """Serve until the end of stdin. Prints one line as soon as every stack is up: the key."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    async with AsyncExitStack() as cleanup:
        store = await cleanup.enter_async_context(await open_store(sqlite_url(folder / "spin.db"), bytes(32)))
        key = await fill(store, count)
        clock = SystemClock()
        engines = {"docker": SimulatedEngine(clock, behaviour=Behaviour(ready_after=timedelta(0)), service_addresses=True)}
        images = DictImages({f"{SITE.registry_host}/project-{n:02}/web:1": DIGEST for n in range(PROJECTS)})
        controllers: list[Controller] = []

        def wake(woken: DeploymentKey) -> None:
            controllers[0].wake(woken)

        platform = Platform(
            site=SITE,
            store=store,
            engines=engines,
            images=images,
            passwords=Argon2Passwords(),
            clock=clock,
            wake=wake,
        )
        world = World(SITE, store, engines, SimulatedEdge(), clock, platform.notifier.poke, SimulatedAddresses())
        controllers.append(Controller(world))
        kept: dict[str, bytes] = {}
        config = uvicorn.Config(
            build(platform, extra_routers=[canned(kept)]),
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=30,
            **SERVER,
        )
        server = uvicorn.Server(config)
        running = [asyncio.create_task(controllers[0].run()), asyncio.create_task(server.serve())]
        quiet = 0
        while quiet < 5 or not server.started:
            await asyncio.sleep(0.1)
            quiet = 0 if controllers[0].is_busy else quiet + 1
        print(key, flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            name, _, text = line.partition(" ")
            kept[name] = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode()
            print("kept", flush=True)
        server.should_exit = True
        await running[1]
        running[0].cancel()
        await asyncio.wait(running)


def canned(kept: dict[str, bytes]) -> APIRouter:
    """Answers from memory, by the name of the question."""
    router = APIRouter()

    @router.api_route("/canned/{name}", methods=["GET", "POST"])
    async def canned(name: str) -> Response:
        return Response(kept[name], media_type="application/json")

    return router


# ---- The clients --------------------------------------------------------------------------------------------------------------


@dataclass
class Question:
    """What the clients ask, and how long the answers took."""

    name: str
    make: Callable[[random.Random], bytes]
    milliseconds: list[list[float]] = field(default_factory=list)
    """Of each round."""
    rates: list[float] = field(default_factory=list)
    """Answers a second, of each round."""
    costs: list[float] = field(default_factory=list)
    """Milliseconds of the server's processor time for an answer, of each round."""
    size: int = 0

    def quantile(self, percent: int) -> float:
        return statistics.median(statistics.quantiles(found, n=100)[percent - 1] for found in self.milliseconds)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)


def request(method: str, path: str, key: str, body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The body. Raises RuntimeError for any answer but 200."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    body = await reader.readexactly(length)
    if " 200 " not in lines[0]:
        raise RuntimeError(f"{lines[0]}: {body[:300]!r}")
    return body


def processor_seconds(process: int) -> float:
    """What the process has used, of all its threads."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def load(port: int, process: int, question: Question, clients: int, seconds: float) -> None:
    """One round, asking the server that is this process."""
    found: list[float] = []
    used = processor_seconds(process)
    begun = time.monotonic()

    async def client(number: int) -> None:
        chance = random.Random(number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        try:
            while time.monotonic() < begun + seconds:
                data = question.make(chance)
                sent = time.monotonic()
                writer.write(data)
                question.size = len(await answer(reader))
                found.append(1000 * (time.monotonic() - sent))
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(clients)))
    question.costs.append(1000 * (processor_seconds(process) - used) / len(found))
    question.milliseconds.append(found)
    question.rates.append(len(found) / (time.monotonic() - begun))


def questions(key: str, count: int) -> list[Question]:
    def where(number: int) -> str:
        return f"{PREFIX}/projects/project-{number % PROJECTS:02}/environments/{ENVIRONMENT}/stacks"

    def check(chance: random.Random) -> bytes:
        number = chance.randrange(count)
        limits = {"resources": {"limits": {"cpus": "0.5", "memory": "256M"}}}
        image = f"{SITE.registry_host}/project-{number % PROJECTS:02}/web:1"
        services = {name: {"image": image, "deploy": limits} for name in ("web", "api", "db")}
        return request("POST", f"{where(number)}/stack-{number:04}/check", key, {"submission": submission(services)})

    def check_name(chance: random.Random) -> bytes:
        number = chance.randrange(count)
        limits = {"resources": {"limits": {"cpus": "0.5", "memory": "256M"}}}
        image = f"{SITE.registry_host}/project-{number % PROJECTS:02}/web:1"
        web = {"image": image, "deploy": limits, "x-spin": {"http": 8080, "hosts": ["shop.example.org"]}}
        return request("POST", f"{where(number)}/stack-{number:04}/check", key, {"submission": submission({"web": web})})

    def show(chance: random.Random) -> bytes:
        number = chance.randrange(count)
        return request("GET", f"{where(number)}/stack-{number:04}", key)

    return [
        Question("list", lambda chance: request("GET", where(chance.randrange(PROJECTS)), key)),
        Question("show", show),
        Question("check", check),
        Question("check with a name", check_name),
    ]


def always(data: bytes) -> Callable[[random.Random], bytes]:
    return lambda _: data


async def once(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(data)
    found = await answer(reader)
    writer.close()
    return found


async def measure(server: subprocess.Popen[str], port: int, key: str, options: argparse.Namespace) -> list[Question]:
    asked = questions(key, options.stacks)
    every = []
    assert server.stdin is not None
    assert server.stdout is not None
    for question in asked:
        text = json.dumps(json.loads(await once(port, question.make(random.Random(0)))))
        name = question.name.replace(" ", "-")
        server.stdin.write(f"{name} {text}\n")
        server.stdin.flush()
        await asyncio.to_thread(server.stdout.readline)
        data = request("GET", f"/canned/{name}", key)
        every += [question, Question(f"{question.name}, from memory", always(data))]
    for number in range(options.rounds):
        for question in every:
            print(f"{time.strftime('%H:%M:%S')} round {number + 1}: {question.name}", file=sys.stderr, flush=True)
            await load(port, server.pid, question, options.clients, options.seconds)
    return every


def report(every: list[Question], options: argparse.Namespace) -> None:
    print(
        f"\n| {time.strftime('%Y-%m-%d')}, {options.stacks:,} stacks, {options.clients} clients "
        "| answer | requests a second | p50 | p99 | processor time a request |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for question in every:
        p50, p99 = question.quantile(50), question.quantile(99)
        size, cost = question.size / 1000, question.cost
        print(f"| {question.name} | {size:.1f} kB | {question.rate:,.0f} | {p50:.0f} ms | {p99:.0f} ms | {cost:.2f} ms |")
    print(f"\nBeside the same bytes from memory (load of the machine {os.getloadavg()[0]:.1f}):")
    for question, yardstick in zip(every[::2], every[1::2], strict=True):
        slower, longer = yardstick.rate / question.rate, question.quantile(99) / yardstick.quantile(99)
        print(f"  {question.name}: {slower:.1f} times the time a request, {longer:.1f} times the p99")


# ---- spin ps ------------------------------------------------------------------------------------------------------------------


def commands(port: int, key: str, runs: int) -> bool:
    """Prints how long `spin ps` takes; returns whether that is fast enough."""
    spin = str(Path(sys.executable).with_name("spin"))
    variables = os.environ | {"SPIN_URL": f"http://127.0.0.1:{port}", "SPIN_TOKEN": key, "SPIN_PROJECT": WIDE[0]}
    took: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, words in {
            "python -c pass": [sys.executable, "-c", "pass"],
            "spin --version": [spin, "--version"],
            "spin ps": [spin, "ps"],
            "spin ps --json": [spin, "ps", "--json"],
        }.items():
            begun, before = time.monotonic(), os.times()
            done = subprocess.run(words, env=variables, stdout=subprocess.PIPE, text=True, check=True)
            took.setdefault(name, []).append(time.monotonic() - begun)
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            worked.setdefault(name, []).append(spent)
            services = len(done.stdout.splitlines()) - 1
            if name == "spin ps" and services != WIDE[1] * WIDE[2]:
                raise RuntimeError(f"spin ps shows {services} services")
    print(f"\n`spin ps` with {WIDE[1] * WIDE[2]} services, medians of {runs}:")
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        processor = statistics.median(worked[name])
        print(f"  {name}: {middle:.2f} s (best {min(seconds):.2f} s), {processor:.2f} s of them its own processor time")
    fast = statistics.median(took["spin ps"]) <= PS_SECONDS
    print(f"  at most {PS_SECONDS:g} s is asked for{'' if fast else ': DOES NOT HOLD'}")
    return fast


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench api", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--stacks", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5, help="of each question in each round (default 5)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", type=int, default=9, help="how often `spin ps` is run (default 9)")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="spin-bench-") as folder:
        if options.serve:
            uvloop.run(serve(Path(folder), options.serve, options.stacks))
            return 0
        [port] = free_ports(1)
        command = [sys.executable, __file__, "--serve", str(port), "--stacks", str(options.stacks)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            key = server.stdout.readline().strip()
            if not key:
                print("bench: the server has failed, see above", file=sys.stderr)
                return 1
            report(uvloop.run(measure(server, port, key, options)), options)
            fast = commands(port, key, options.commands)
            server.stdin.close()
    return 0 if fast else 1


if __name__ == "__main__":
    sys.exit(main())
