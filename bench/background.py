"""`./run bench background`: what the platform does by itself, with 1,000 containers and with 1,000 jobs.

Looks at use: the real adapter of Docker asks an engine that answers at once with what a real one says of 1,000 containers (a process of
its own, behind a socket), and the real store (SQLite) keeps what it comes to. Each round is what the platform does once a minute; the
first also asks for every container's limits. What the engine itself would take is not counted.

Jobs: 1,000 stacks with one job each, all of them due in the same minute, under the real controller and the real store; engine, edge and
addresses are simulated, and each run takes a second. The clock is set so that the minute begins when all stacks are known. How late a
run is counts from the time of its schedule until its container was started.

Exit status 1 where one of these does not hold: a round of looks takes at most 5 % of the minute's processor time; every job has run
exactly once; the last of them begins within the minute in which it is due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import structlog
import uvloop

from spin.addresses.simulated import SimulatedAddresses
from spin.api.passwords import Argon2Passwords
from spin.edge.simulated import SimulatedEdge
from spin.engines.docker import DockerEngine, labels
from spin.engines.docker.labels import Kind
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.revision import Deployment, Origin, Revision
from spin.model.run import Run, RunState
from spin.model.stack import Image, Restart, Schedule, ServiceSpec, StackSpec
from spin.ports.engine import Engine
from spin.reconcile import Controller
from spin.reconcile.passes import World
from spin.site import Site
from spin.store import SqlStore, open_store, sqlite_url
from spin.usecases.notify import Notifier
from spin.usecases.platform import Platform
from spin.usecases.stats import sample
from support.api import DictImages

PROJECT = ProjectName("bench")
ENVIRONMENT = EnvironmentName("development")
SITE = Site(id="bench")
MINUTE = 60.0
MOST_OF_A_MINUTE = 0.05
"""Part of a core that the looks may take."""
LATEST = 60.0
"""Seconds after which the last job has begun."""
RUNS = timedelta(seconds=1)
"""How long the run of a job takes."""


async def fill(store: SqlStore, count: int, spec: StackSpec, now: datetime) -> list[DeploymentKey]:
    """Stacks with a first revision, as `spin up` leaves them."""
    keys = [DeploymentKey(PROJECT, ENVIRONMENT, StackName(f"stack-{number:04}")) for number in range(count)]
    numbers = tuple((service.name, number) for number, service in enumerate(spec.services, 1))
    async with store.begin(write=True) as work:
        await work.add_project(PROJECT, now)
        for key in keys:
            await work.add_deployment(Deployment(key, 1, 1, created=now, changed=now, numbers=numbers))
            await work.add_revision(key, Revision(1, spec, (), "ann", now, Origin.UP))
    return keys


def service(schedule: Schedule | None = None) -> ServiceSpec:
    return ServiceSpec(
        "web", Image(f"localhost:5000/{PROJECT}/web:1", "sha256:" + "a" * 64), restart=Restart.NO, schedule=schedule
    )


# ---- An engine that says what a real one would ----------------------------------------------------------------------------------


def counters(now: datetime) -> dict[str, Any]:
    """The answer of Docker 20.10 to `GET /containers/ID/stats?one-shot=true`, of a small service (cgroup v1: the longer one)."""
    kinds = ("Read", "Write", "Sync", "Async", "Discard", "Total")
    disk = [{"major": 254, "minor": 0, "op": op, "value": 4096 * n} for n, op in enumerate(kinds)]
    usage = {
        "cpu_usage": {
            "total_usage": time.monotonic_ns(),
            "percpu_usage": [1, 2],
            "usage_in_kernelmode": 1,
            "usage_in_usermode": 2,
        },
        "system_cpu_usage": time.monotonic_ns(),
        "online_cpus": 2,
        "throttling_data": {"periods": 100, "throttled_periods": 3, "throttled_time": 12345678},
    }
    memory = "active_anon active_file cache dirty hierarchical_memory_limit hierarchical_memsw_limit inactive_anon inactive_file"
    memory += " mapped_file pgfault pgmajfault pgpgin pgpgout rss rss_huge unevictable writeback"
    stats = {name: 1234567 for word in memory.split() for name in (word, f"total_{word}")}
    names = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped")
    empty = ("queue", "service_time", "wait_time", "merged", "time")
    return {
        "read": now.isoformat().replace("+00:00", "000Z"),
        "preread": "0001-01-01T00:00:00Z",
        "pids_stats": {"current": 7},
        "blkio_stats": {
            "io_service_bytes_recursive": disk,
            "io_serviced_recursive": disk,
            **{f"io_{name}_recursive": [] for name in empty},
            "sectors_recursive": [],
        },
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": usage,
        "precpu_stats": usage | {"throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0}},
        "memory_stats": {"usage": 50_000_000, "max_usage": 60_000_000, "stats": stats, "limit": 268435456},
        "networks": {"eth0": dict.fromkeys(names, 98765), "eth1": dict.fromkeys(names, 4321)},
    }


def answer(path: str, count: int) -> Any:
    """What the engine says."""
    if path.endswith("/version"):
        return {"ApiVersion": "1.41", "Version": "20.10.24"}
    if path.endswith("/containers/json"):
        return [listed(number) for number in range(count)]
    if path.endswith("/stats"):
        return counters(datetime.now(UTC))
    return {"HostConfig": {"NanoCpus": 500_000_000, "Memory": 268435456, **{f"Setting{n}": "" for n in range(60)}}}


def listed(number: int) -> dict[str, Any]:
    key = DeploymentKey(PROJECT, ENVIRONMENT, StackName(f"stack-{number:04}"))
    own = {labels.SERVICE: "web", labels.SLOT: "1", labels.ATTEMPT: "1", labels.DIGEST: "a" * 64}
    marks = labels.labels_for(SITE.id, key, Kind.CONTAINER, own)
    return {"Id": f"{number:064x}", "Names": ["/web"], "Image": "web", "State": "running", "Status": "Up", "Labels": marks}


async def pretend(path: str, count: int) -> None:
    """Answer at the socket until the end of stdin."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = json.dumps(answer(head.split(b" ", 2)[1].decode().partition("?")[0], count)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


# ---- Looks at use ---------------------------------------------------------------------------------------------------------------


async def looks(folder: Path, count: int, rounds: int, over: float) -> list[float]:
    """Seconds of processor time that each round takes."""
    path = str(folder / "engine.socket")
    command = [sys.executable, __file__, "--pretend", path, "--count", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pretender:  # noqa: ASYNC220
        assert pretender.stdin is not None
        assert pretender.stdout is not None
        pretender.stdout.readline()
        engine = DockerEngine(SITE, _no_contents(), _no_access(), f"unix://{path}")
        async with await open_store(sqlite_url(folder / "looks.db"), bytes(32)) as store:
            await fill(store, count, StackSpec((service(),)), datetime.now(UTC))
            platform = _platform(store, engine)
            spent = []
            for number in range(rounds):
                print(f"{time.strftime('%H:%M:%S')} looks, round {number + 1}", file=sys.stderr, flush=True)
                before = time.process_time()
                await sample(platform, over=over)
                spent.append(time.process_time() - before)
                async with store.begin() as work:
                    kept = await work.usage_from(datetime.now(UTC) - timedelta(hours=1))
                if len({each.key for each in kept}) != count:
                    raise RuntimeError(f"use of {len(kept)} containers was kept")
        await engine.close()
        pretender.stdin.close()
    return spent


def _platform(store: SqlStore, engine: Engine) -> Platform:
    return Platform(SITE, store, {"docker": engine}, DictImages({}), Argon2Passwords(), SystemClock(), lambda _: None)


def _no_contents() -> Any:
    return None  # no files are delivered here


def _no_access() -> Any:
    return None  # and no images pulled


# ---- Jobs -----------------------------------------------------------------------------------------------------------------------


class SetClock:
    """A clock that can be set."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def set(self, to: datetime) -> None:
        self._ahead += to - self.now()


class Jobs:
    """What became of all the jobs, and what it took."""

    def __init__(self) -> None:
        self.late: list[float] = []
        """Seconds from the time of the schedule until the start, sorted."""
        self.begin = self.runs = self.idle = self.look = 0.0
        """Seconds of processor time: until the stacks are known; of all runs; a minute with nothing due, per minute; one look at a job."""
        self.whole = True
        """Each has run once, and has succeeded."""


async def jobs(folder: Path, count: int, watch: float) -> Jobs:
    found, clock = Jobs(), SetClock()
    due = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
    clock.set(due - timedelta(minutes=20))
    engine = SimulatedEngine(clock, behaviour=Behaviour(ready_after=timedelta(0), exits_after=RUNS), service_addresses=True)
    async with await open_store(sqlite_url(folder / "jobs.db"), bytes(32)) as store:
        keys = await fill(store, count, StackSpec((service(Schedule("30 * * * *")),)), clock.now())
        engines = {environment.engine: engine for environment in SITE.environments}
        world = World(SITE, store, engines, SimulatedEdge(), clock, Notifier().poke, SimulatedAddresses())
        controller = Controller(world)
        running = asyncio.create_task(controller.run())

        async def rest() -> None:
            quiet = 0
            while quiet < 5:
                await asyncio.sleep(0.1)
                quiet = 0 if controller.is_busy else quiet + 1

        async def cost(what: str, work: Callable[[], Awaitable[None]]) -> float:
            print(f"{time.strftime('%H:%M:%S')} jobs: {what}", file=sys.stderr, flush=True)
            before = time.process_time()
            await work()
            return time.process_time() - before

        async def all_run() -> None:
            clock.set(due - timedelta(seconds=1))
            await controller.wake_all()  # their alarms were set by the clock before
            async with asyncio.timeout(15 * MINUTE):
                await asyncio.sleep(1)
                while any(run.active for book in await books() for run in book) or len(await books()) < count:  # noqa: ASYNC110
                    await asyncio.sleep(2)
            await rest()

        async def look_at_all() -> None:
            await controller.wake_all()
            await rest()

        async def books() -> list[tuple[Run, ...]]:
            async with store.begin() as work:
                return [book.runs for book in (await work.job_books()).values() if book.runs]

        found.begin = await cost("the stacks come", rest)
        found.idle = await cost("nothing is due", lambda: asyncio.sleep(watch)) * MINUTE / watch
        found.runs = await cost("all are due", all_run)
        found.look = await cost("a look at each", look_at_all) / count
        running.cancel()
        await asyncio.wait([running])
        runs = [run for book in await books() for run in book]
    found.late = sorted((r.started - r.scheduled).total_seconds() for r in runs if r.started and r.scheduled)
    found.whole = len(runs) == len(found.late) == len(keys) and all(r.state is RunState.SUCCEEDED for r in runs)
    return found


# ---- Report ---------------------------------------------------------------------------------------------------------------------


def report(spent: list[float], done: Jobs, count: int) -> bool:
    """Prints the table; returns whether everything holds."""
    first, *others = spent
    usual = statistics.median(others or spent)
    quantiles = statistics.quantiles(done.late, n=100)
    rows = [
        ("looks at use: the first round, processor time", f"{first:.2f} s"),
        ("a round afterwards, once a minute, processor time", f"{usual:.2f} s, {usual / MINUTE:.1%} of a core"),
        ("jobs: until all are known, processor time", f"{done.begin:.1f} s"),
        ("a minute in which none is due, processor time", f"{done.idle:.2f} s, {done.idle / MINUTE:.1%} of a core"),
        ("all due in one minute: processor time of a run", f"{1000 * done.runs / count:.1f} ms"),
        ("from due to started: median, p99, last", f"{quantiles[49]:.1f}, {quantiles[98]:.1f}, {done.late[-1]:.1f} s"),
        ("a look at one job with nothing to do, processor time", f"{1000 * done.look:.2f} ms"),
    ]
    print(
        f"\n| {time.strftime('%Y-%m-%d')}, {count:,} containers, {count:,} jobs | load {os.getloadavg()[0]:.1f} |\n| --- | --- |"
    )
    for name, figure in rows:
        print(f"| {name} | {figure} |")
    limits = [
        ("looks at use, share of a core", usual / MINUTE, MOST_OF_A_MINUTE),
        ("the last job begins, seconds after it was due", done.late[-1], LATEST),
    ]
    print()
    for name, value, limit in limits:
        print(f"{name}: {value:.3g}, at most {limit:g} is asked for{'' if value <= limit else ': DOES NOT HOLD'}")
    if not done.whole:
        print("not every job has run once, and succeeded: DOES NOT HOLD")
    return done.whole and all(value <= limit for _, value, limit in limits)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench background", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--count", type=int, default=1000, help="containers, and jobs (default 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="of looks at use (default 3)")
    parser.add_argument("--over", type=float, default=10, help="seconds over which a round's looks are spread (default 10)")
    parser.add_argument(
        "--watch", type=float, default=20, help="seconds for which jobs that are not due are watched (default 20)"
    )
    parser.add_argument("--pretend", metavar="SOCKET", help=argparse.SUPPRESS)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if options.pretend:
        uvloop.run(pretend(options.pretend, options.count))
        return 0
    with tempfile.TemporaryDirectory(prefix="spin-bench-") as folder:
        spent = uvloop.run(looks(Path(folder), options.count, options.rounds, options.over))
        done = uvloop.run(jobs(Path(folder), options.count, options.watch))
    return 0 if report(spent, done, options.count) else 1


if __name__ == "__main__":
    sys.exit(main())
