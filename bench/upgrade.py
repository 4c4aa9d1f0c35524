"""`./run bench upgrade`: what visitors notice of upgrades, rollbacks and scaling, beside the same changes with Docker Compose.

The stack (bench/upgrade): nginx, which looks its upstream up once when it starts, an API in two replicas, and a store. Visitors
(bench/load.py) come through the edge, at moments fixed ahead: GET and POST, on new and on kept-alive connections, slow answers,
uploads, WebSockets. Meanwhile each round changes the API, then the front end, then both, rolls back, and scales the API 2, 5, 1, 2.

A request has failed if it was sent and did not get the whole right answer: refused, reset, closed, 4xx, 5xx, wrong body, 30 seconds.
No visitor tries anything again. A kept-alive connection that the server closes between two requests is no failure.

Each POST has an id. One that was acknowledged must be in the store exactly once, and none may be there twice.

A WebSocket is cut too early if it ends, by anybody but the visitor, before the container that ends it (the API's where a close frame
came; else the API's or nginx's, whichever left earlier) has been out of the routes for its `stop_grace_period`. Out of the routes
since: the last request that was sent and that it answered, so the platform's own word is not asked.

Percentiles are of GET and POST, without slow answers and uploads: `before` is the load alone, `during` everything from the first
change to the end of the last. Exit status 0 only if all requirements hold.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from outcome import Made, Outcome, broken, report
from tally import Tally, Visit, failures

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import ROOT, Failure, Stage, docker

from support import docker_compose as compose

STACK = ROOT / "bench" / "upgrade"
SERVICES = ("web", "api", "store")
PROJECT = "bench"
REPLICAS = 2
MOST_REPLICAS = 5

WARM_SECONDS = 3.0
SEEN_SECONDS = 30.0
"""How long after the command's end visitors may still meet what it replaced; far more than any answer takes."""


class Side(Protocol):
    """One of the two that are compared, with the stack running."""

    address: str
    port: int
    host: str

    def changes(self, number: int) -> list[Change]:
        """The changes of a round, to be made one after the other."""

    def end(self) -> None: ...


@dataclass(frozen=True)
class Change:
    title: str
    make: Callable[[], object]
    expected: Expected | None = None


@dataclass(frozen=True)
class Expected:
    """What visitors must meet after a change, so that no command is measured that changes nothing."""

    api: int
    web: int
    replicas: int = REPLICAS

    def met_by(self, visits: list[Visit]) -> bool:
        apis, webs = ({getattr(v, name) for v in visits if not v.reason} for name in ("api", "web"))
        releases = {a.partition("/")[2] for a in apis}, {w.partition("/")[2] for w in webs}
        return releases == ({str(self.api)}, {str(self.web)}) and len(apis) == self.replicas


class WithSpin:
    """The stack on a platform of its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.start()
        stage.spin("login", stage.url, "--key-file", str(stage.data / "operator.key"))
        stage.spin("project", "create", PROJECT)
        stage.environment["SPIN_PROJECT"] = PROJECT
        for command in ("build", "push"):
            stage.spin(command, cwd=STACK)
        found = re.search(r"http://([^/:\s]+)", self.up(0, 0))
        if found is None:
            raise Failure("spin up printed no address")
        self.address, self.port, self.host = "127.0.0.1", stage.ports["edge"], found[1]
        self.last = 0

    def up(self, api: int, web: int) -> str:
        self.stage.environment |= {"API_RELEASE": str(api), "WEB_RELEASE": str(web)}
        return self.stage.spin("up", cwd=STACK)

    def changes(self, number: int) -> list[Change]:
        old = self.last
        new = self.last = 2 * number - 1
        never = new + 1
        return [
            Change("upgrade of the API", lambda: self.up(new, old), Expected(new, old)),
            Change("confirm", lambda: self.stage.spin("confirm", "upgrade"), Expected(new, old)),
            Change("upgrade of the front end", lambda: self.up(new, new), Expected(new, new)),
            Change("confirm", lambda: self.stage.spin("confirm", "upgrade"), Expected(new, new)),
            Change("upgrade of both", lambda: self.up(never, never), Expected(never, never)),
            Change("rollback", lambda: self.stage.spin("rollback", "upgrade"), Expected(new, new)),
            self.scale("scale 2→5", MOST_REPLICAS, new),
            self.scale("scale 5→1", 1, new),
            self.scale("scale 1→2", REPLICAS, new),
        ]

    def scale(self, title: str, replicas: int, release: int) -> Change:
        make = partial(self.stage.spin, "scale", f"upgrade/api={replicas}")
        return Change(title, make, Expected(release, release, replicas))

    def end(self) -> None:
        self.stage.spin("rm", "upgrade", "--volumes", "--yes")


class WithCompose:
    """The same images under Docker Compose, with the front end on a published port."""

    def __init__(self, stage: Stage, port: int) -> None:
        self.command, self.version = compose.find()
        if not compose.waits(self.command):
            raise Failure(f"{self.version} does not know `up --wait`")
        services: dict[str, dict[str, Any]] = {name: {"image": f"{stage.registry}/{PROJECT}/{name}:1.0"} for name in SERVICES}
        services["web"]["ports"] = [f"{port}:8080"]
        mine = stage.data / "compose.docker.json"
        mine.write_text(json.dumps({"services": services}))
        self.environment = stage.environment
        self.base = [*self.command, "-p", f"{stage.site}-compose", "-f", str(STACK / "compose.yaml"), "-f", str(mine)]
        self.address = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
        self.port, self.host = port, "upgrade.localhost"
        self.last = 0
        self.up(0, 0)

    def up(self, api: int, web: int, replicas: int = REPLICAS) -> None:
        self.environment |= {"API_RELEASE": str(api), "WEB_RELEASE": str(web)}
        self._run("up", "-d", "--wait", "--scale", f"api={replicas}")

    def changes(self, number: int) -> list[Change]:
        old = self.last
        new = self.last = 2 * number - 1
        return [
            Change("upgrade of the API", lambda: self.up(new, old)),
            Change("upgrade of the front end", lambda: self.up(new, new)),
            Change("upgrade of both", lambda: self.up(new + 1, new + 1)),
            Change("the same back", lambda: self.up(new, new)),
            Change("scale 2→5", lambda: self.up(new, new, MOST_REPLICAS)),
            Change("scale 5→1", lambda: self.up(new, new, 1)),
            Change("scale 1→2", lambda: self.up(new, new, REPLICAS)),
        ]

    def end(self) -> None:
        self._run("down", "--volumes", "--timeout", "5")

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self.base, *arguments], capture_output=True, text=True, check=False, env=self.environment, cwd=STACK
        )
        if done.returncode:
            raise Failure(f"docker compose {arguments[0]}: {done.stderr[-2000:]}")


# ---- A load, and changes meanwhile ---------------------------------------------------------------------------------------------


def drive(side: Side, options: argparse.Namespace, rounds: int, records: Path) -> Outcome:
    """Load it, measure a while, then make the changes of so many rounds."""
    settings = [side.address, side.port, side.host, options.rate, options.sockets, records]
    load = subprocess.Popen([sys.executable, str(ROOT / "bench" / "load.py"), *map(str, settings)])
    try:
        time.sleep(WARM_SECONDS)
        tally = Tally(records)
        begin, used = time.monotonic(), processor()
        time.sleep(options.before)
        middle, used_before = time.monotonic(), processor()
        tally.read()
        say(0, f"{options.before} s without changes", tally.between(begin, middle), options.before)
        made, stuck = rounds_of_changes(side, rounds, tally)
        end, used_during = time.monotonic(), processor()
    finally:
        load.send_signal(signal.SIGTERM)
        status = load.wait()
    if status:
        raise Failure(f"the load ended with exit status {status}")
    tally.read()
    busy = share(used, used_before), share(used_before, used_during)
    outcome = Outcome(tally, (begin, middle), (middle, end), made, stuck, busy)
    request = urllib.request.Request(f"http://{side.address}:{side.port}/orders", headers={"Host": f"{side.host}:{side.port}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        outcome.stored.update(answer.read().decode().split())
    return outcome


def rounds_of_changes(side: Side, rounds: int, tally: Tally) -> tuple[list[Made], str]:
    """The changes that were made, and what kept the next one from coming about."""
    made: list[Made] = []
    for number in range(1, rounds + 1):
        for change in side.changes(number):
            since, known = time.monotonic(), len(tally.visits)
            try:
                change.make()
                made.append(Made(number, change.title, since, time.monotonic()))
                if change.expected is not None:
                    await_visitors(tally, change.expected)
            except Failure as failure:
                return made, f"round {number}, {change.title}: {failure}"
            tally.read()
            say(number, change.title, tally.visits[known:], made[-1].end - since)
    return made, ""


def await_visitors(tally: Tally, expected: Expected) -> None:
    """Wait until visitors meet what the change has made, and nothing else. Raises Failure."""
    deadline = time.monotonic() + SEEN_SECONDS
    while time.monotonic() < deadline:
        since = time.monotonic()
        time.sleep(0.5)
        tally.read()
        if expected.met_by([v for v in tally.visits[-2000:] if v.sent >= since]):
            return
    met = Counter((v.api, v.web) for v in tally.visits[-200:])
    raise Failure(f"{SEEN_SECONDS:.0f} s later visitors do not meet {expected}, but {dict(met)}")


def say(number: int, title: str, visits: list[Visit], seconds: float) -> None:
    bad = failures(visits)
    reasons = f" {dict(bad)}" if bad else ""
    line = f"round {number:>2}  {title:<26} {seconds:6.1f} s  {len(visits):>6} requests, {bad.total()} failed{reasons}"
    print(line, flush=True)


def processor() -> tuple[int, int]:
    """Ticks that the machine's processors have been idle, and in all."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def share(then: tuple[int, int], now: tuple[int, int]) -> float:
    return 1 - (now[0] - then[0]) / max(1, now[1] - then[1])


# ---- Putting it together -------------------------------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> int:
    stage = Stage("upgrade")
    stage.prepare()
    sides: dict[str, Outcome] = {}
    try:
        platform = WithSpin(stage)
        sides["Spin"] = drive(platform, options, options.rounds, ROOT / ".spin" / "upgrade-spin.tsv")
        platform.end()
        if not options.spin_only:
            other = None
            try:
                other = WithCompose(stage, options.port)
                sides[other.version] = drive(other, options, 1, ROOT / ".spin" / "upgrade-compose.tsv")
            finally:
                if other is not None:
                    other.end()
    except (Failure, RuntimeError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        stage.stop()
        stage.sweep()
    report(sides, options.rate, docker("version", "--format", "{{.Server.Version}}").strip())
    wrong = broken(sides["Spin"], whole=options.rounds >= 20)
    for text in wrong:
        print(f"does not hold: {text}", file=sys.stderr)
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="./run bench upgrade",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=20, help="rounds of changes (default 20)")
    parser.add_argument("--rate", type=float, default=500, help="requests a second (default 500)")
    parser.add_argument("--before", type=float, default=60, metavar="SECONDS", help="how long to measure before (default 60)")
    parser.add_argument("--sockets", type=int, default=40, help="WebSockets that are open at any time (default 40)")
    parser.add_argument(
        "--port", type=int, default=18080, help="port of the host for the stack under Docker Compose (default 18080)"
    )
    parser.add_argument("--spin-only", action="store_true", help="without the round of Docker Compose")
    parser.add_argument("--quick", action="store_true", help="2 rounds, 10 seconds before")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.before = 2, 10
    return measure(options)


if __name__ == "__main__":
    sys.exit(main())
