"""`./run bench controller`: what the controller's loop costs with 10, 100 and 1,000 stacks of three services each.

The real controller and the real store (SQLite); the engine, the edge and service addresses are simulated, so that only the
platform's own work is counted. Each number of stacks has a process of its own, and they are measured by turns. Processor time is
what counts, as other work on the machine changes it little. Exit status 1 where one of these does not hold:

- one event costs at most 1.3 times as much with the most stacks as with the fewest;
- the idle controller takes less than 1 % of a core, its rounds over all stacks included;
- a look at everything, and a round that finds nothing changed, cost at most 1.3 times as much a stack with the most stacks as with
  the fewest.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from spin.addresses.simulated import SimulatedAddresses
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.observed import Snapshot
from spin.model.revision import Deployment, Origin, Revision
from spin.model.stack import Condition, Dependency, Healthcheck, Http, Image, ServiceSpec, StackSpec
from spin.reconcile import Controller
from spin.reconcile.passes import World
from spin.site import Site
from spin.store import SqlStore, open_store, sqlite_url
from spin.usecases.notify import Notifier

SIZES = (10, 100, 1000)
MOST_RATIO = 1.3
MOST_IDLE = 0.01
"""Share of a core."""
BATCHES = 5
EVENTS = 60
CRASHES = 10
"""In a batch; of several batches the median counts."""
REST = 0.1
"""Seconds between two looks whether everything is done; the engine's hints take half of that."""
PROJECT = ProjectName("bench")
ENVIRONMENT = EnvironmentName("development")


class WatchedEngine(SimulatedEngine):
    """Notes when a deployment is looked at."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), behaviour=Behaviour(ready_after=timedelta(0)), service_addresses=True)
        self.asked: dict[DeploymentKey, asyncio.Future[float]] = {}

    def next_look(self, key: DeploymentKey) -> asyncio.Future[float]:
        """The moment at which that deployment is looked at for the next time."""
        return self.asked.setdefault(key, asyncio.get_running_loop().create_future())

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:
        asked = self.asked.pop(key, None)
        if asked is not None:
            asked.set_result(time.monotonic())
        return await super().observe(key, draining)


def stack() -> StackSpec:
    """A front end, an API and a database that wait for one another."""

    def service(name: str, *after: str, http: Http | None = None) -> ServiceSpec:
        return ServiceSpec(
            name,
            Image(f"localhost:5000/{PROJECT}/{name}:1.0", "sha256:" + "a" * 64),
            environment=tuple((f"SETTING_{number}", "value") for number in range(8)),
            healthcheck=Healthcheck(("CMD", "check")),
            http=http,
            depends_on=tuple(Dependency(other, Condition.HEALTHY) for other in after),
        )

    return StackSpec((service("api", "db"), service("db"), service("web", "api", http=Http(80))))


async def fill(store: SqlStore, count: int) -> list[DeploymentKey]:
    """Deployments with a first revision, as `spin up` leaves them."""
    keys = [DeploymentKey(PROJECT, ENVIRONMENT, StackName(f"stack-{number:04}")) for number in range(count)]
    now = datetime.now(UTC)
    numbers = (("api", 1), ("db", 2), ("web", 3))
    async with store.begin(write=True) as work:
        await work.add_project(PROJECT, now)
        for key in keys:
            await work.add_deployment(Deployment(key, 1, 1, created=now, changed=now, numbers=numbers))
            await work.add_revision(key, Revision(1, stack(), (), "ann", now, Origin.UP))
    return keys


class Trial:
    """A running controller with its stacks."""

    def __init__(self, store: SqlStore, keys: list[DeploymentKey]) -> None:
        self.keys = keys
        self.engine = WatchedEngine()
        site = Site(id="bench")
        engines = {environment.engine: self.engine for environment in site.environments}
        self.edge = SimulatedEdge()
        world = World(site, store, engines, self.edge, SystemClock(), Notifier().poke, SimulatedAddresses())
        self.controller = Controller(world)
        self.random = random.Random(1)
        self.idle = 0.0
        self.waits: dict[str, list[float]] = {"peace": [], "burst": []}
        """Milliseconds from hints to their passes."""

    async def rest(self) -> None:
        """Until nothing is left to do."""
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(REST)
            quiet = 0 if self.controller.is_busy else quiet + 1

    async def cost(self, work: Callable[[], Awaitable[None]], events: int = 1) -> float:
        """Milliseconds of processor time of one of the `events` of `work`, and of all that follows, beyond the idle controller's."""
        gc.collect()
        begun, processor = time.monotonic(), time.process_time()
        await work()
        await self.rest()
        return 1000 * (time.process_time() - processor - self.idle * (time.monotonic() - begun)) / events

    def some(self, count: int) -> list[DeploymentKey]:
        """So many keys in random order, repeated where there are fewer."""
        found: list[DeploymentKey] = []
        while len(found) < count:
            found += self.random.sample(self.keys, min(len(self.keys), count - len(found)))
        return found

    async def hint(self, key: DeploymentKey) -> float:
        """Milliseconds until its pass has begun, and read what is wanted."""
        begun = time.monotonic()
        look = self.engine.next_look(key)
        self.controller.wake(key)
        return 1000 * (await look - begun)

    async def hint_in_peace(self) -> None:
        """One after the other."""
        self.waits["peace"] += [await self.hint(key) for key in self.some(EVENTS)]

    async def hint_in_a_burst(self) -> None:
        """Now and then, while every stack is being looked at."""
        await self.controller.wake_all()
        hints = []
        for key in self.some(EVENTS):
            hints.append(asyncio.create_task(self.hint(key)))
            await asyncio.sleep(0.01)
        self.waits["burst"] += await asyncio.gather(*hints)

    async def crash(self) -> None:
        """Containers of ten stacks vanish."""
        for key in self.some(CRASHES):
            self.engine.vanish(self.random.choice(self.engine.containers(key)).id)

    async def answer(self, question: str, seconds: float) -> float:
        match question:
            case "start":
                return await self.start()
            case "idle":
                self.idle = await self.idle_share(seconds)
                return self.idle
            case "everything":
                return await self.cost(self.controller.wake_all)
            case "round":
                return await self.cost(self.controller.resync)
            case "hint":
                return await self.cost(self.hint_in_peace, EVENTS)
            case "crash":
                return await self.cost(self.crash, CRASHES)
            case "burst":
                return await self.cost(self.hint_in_a_burst)
            case "peace wait" | "burst wait":
                return statistics.quantiles(self.waits[question.removesuffix(" wait")], n=100)[98]
            case _:
                raise ValueError(question)

    async def start(self) -> float:
        """Begin, and go on until it is as after a while without events: rounds have seen the same twice."""

        async def begin() -> None:
            self.running = asyncio.create_task(self.controller.run())

        cost = await self.cost(begin)
        if not all(route.targets for route in await self.edge.table()) or len(await self.edge.table()) != len(self.keys):
            raise RuntimeError("not every stack has come up")
        for _ in range(3):
            await self.controller.resync()
            await self.rest()
        return cost

    async def idle_share(self, seconds: float) -> float:
        gc.collect()
        begun, processor = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - processor) / (time.monotonic() - begun)


def resident() -> float:
    """MiB of this process's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def trial(count: int, seconds: float) -> None:
    """A process with so many stacks: answers each line of its input with a number."""
    before = resident()
    with tempfile.TemporaryDirectory(prefix="spin-bench-") as folder:
        async with await open_store(sqlite_url(Path(folder) / "spin.db"), bytes(32)) as store:
            trial = Trial(store, await fill(store, count))
            while question := (await asyncio.to_thread(sys.stdin.readline)).strip():
                print(resident() - before if question == "memory" else await trial.answer(question, seconds), flush=True)
            trial.running.cancel()
            await asyncio.wait([trial.running])


class Side:
    """One number of stacks, and its process."""

    def __init__(self, stacks: int, seconds: float) -> None:
        self.stacks = stacks
        command = [sys.executable, __file__, "--trial", "--stacks", str(stacks), "--seconds", str(seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._found: dict[str, list[float]] = {}

    def ask(self, question: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")

    def hear(self, question: str) -> None:
        """The answer to the question that was asked. Raises ValueError where the process has failed."""
        assert self._process.stdout is not None
        self._found.setdefault(question, []).append(float(self._process.stdout.readline()))

    def __getitem__(self, question: str) -> float:
        """The median of the answers."""
        return statistics.median(self._found[question])

    def close(self) -> None:
        """Raises TimeoutExpired where it does not end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def measure(sides: list[Side]) -> None:
    """Ask all sides the same by turns; only the idle ones are watched at the same time, as they leave each other alone."""
    questions = ["start", *BATCHES * ("everything", "round", "hint", "crash", "burst"), "peace wait", "burst wait", "memory"]
    questions.insert(1, "idle")
    for question in questions:
        print(f"{time.strftime('%H:%M:%S')} {question}", file=sys.stderr, flush=True)
        for side in sides:
            side.ask(question)
            if question != "idle":
                side.hear(question)
        if question == "idle":
            for side in sides:
                side.hear(question)


def report(sides: list[Side]) -> bool:
    """Prints the table; returns whether everything holds."""
    rows: list[tuple[str, str, str]] = [
        ("from nothing until everything runs, processor time", "start", "{:,.0f} ms"),
        ("a look at everything, processor time", "everything", "{:,.0f} ms"),
        ("a round with nothing changed, processor time", "round", "{:.1f} ms"),
        ("one hint with nothing to do, processor time", "hint", "{:.2f} ms"),
        ("one container vanishes, until its successor serves, processor time", "crash", "{:.1f} ms"),
        ("idle, share of a core", "idle", "{:.2%}"),
        ("from a hint to its pass, 99th percentile", "peace wait", "{:.0f} ms"),
        ("the same while every stack is looked at", "burst wait", "{:.0f} ms"),
        ("memory, the simulated parts included", "memory", "{:.0f} MiB"),
    ]
    print(f"\n| {time.strftime('%Y-%m-%d')} | {' | '.join(f'{side.stacks:,} stacks' for side in sides)} |")
    print(f"| --- |{' --- |' * len(sides)}")
    for name, question, form in rows:
        print(f"| {name} | {' | '.join(form.format(side[question]) for side in sides)} |")
    least, most = sides[0], sides[-1]
    size = most.stacks / least.stacks
    limits = [
        ("one hint", most["hint"] / least["hint"], MOST_RATIO),
        ("one container that vanishes", most["crash"] / least["crash"], MOST_RATIO),
        ("a look at everything, a stack", most["everything"] / least["everything"] / size, MOST_RATIO),
        ("a round, a stack", most["round"] / least["round"] / size, MOST_RATIO),
        ("idle with the most stacks, share of a core", most["idle"], MOST_IDLE),
    ]
    print(f"\n{most.stacks:,} stacks beside {least.stacks:,} (load of the machine {os.getloadavg()[0]:.1f}):")
    for name, value, limit in limits:
        print(f"  {name}: {value:.3g}, at most {limit:g} is asked for{'' if value <= limit else ': DOES NOT HOLD'}")
    return all(value <= limit for _, value, limit in limits)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench controller", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch the idle controllers (default 60)")
    parser.add_argument("--stacks", type=int, nargs="+", default=SIZES, metavar="N", help="other numbers of stacks")
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if min(arguments.stacks) < CRASHES:
        parser.error(f"at least {CRASHES} stacks are needed")
    if arguments.trial:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        asyncio.run(trial(arguments.stacks[0], arguments.seconds))
        return 0
    sides = [Side(count, arguments.seconds) for count in sorted(arguments.stacks)]
    try:
        measure(sides)
    except ValueError:
        print("bench: a trial has failed, see above", file=sys.stderr)
        return 1
    finally:
        for side in sides:
            side.close()
    return 0 if report(sides) else 1


if __name__ == "__main__":
    sys.exit(main())
