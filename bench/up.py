"""`./run bench up`: how long `spin up` takes until the stack is healthy, beside `docker compose up -d --wait`.

The same stack (examples/three-tier), the same images, present on the engine; by turns; between two runs everything is removed:
containers, networks and volumes. A ratio below 1 means that Spin is quicker.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import EXAMPLE, Failure, Stage, docker

from support import docker_compose as compose

STACK = "three-tier"
PROJECT = "bench"
SERVICES = ("web", "api", "db")
WAIT_SECONDS = 300


class WithCompose:
    """The stack under Docker Compose."""

    def __init__(self, stage: Stage, override: Path) -> None:
        self.command, self.version = compose.find()
        self.waits = compose.waits(self.command)
        password = stage.data / "db-password"
        password.write_text(secrets.token_hex(16))
        password.chmod(0o444)  # Docker Compose mounts it as it is
        stage.data.chmod(0o711)
        services = {name: {"image": f"{stage.registry}/{PROJECT}/{name}:1.0"} for name in SERVICES}
        mine = stage.data / "compose.docker.json"
        mine.write_text(
            json.dumps({"services": services, "secrets": {"db-password": {"external": False, "file": str(password)}}})
        )
        self.project = f"{stage.site}-compose"
        self.base = [*self.command, "-p", self.project, "-f", str(EXAMPLE / "compose.yaml"), "-f", str(mine), "-f", str(override)]
        self.environment = stage.environment

    def up(self) -> float:
        begin = time.monotonic()
        self._run("up", "-d", *(["--wait"] if self.waits else []))
        while not self.waits and not self._healthy():
            if time.monotonic() - begin > WAIT_SECONDS:
                raise Failure("the stack did not become healthy under Docker Compose")
            time.sleep(0.1)
        return time.monotonic() - begin

    def down(self) -> None:
        self._run("down", "--volumes", "--timeout", "10")

    def _healthy(self) -> bool:
        names = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={self.project}").split()
        states = docker("inspect", "--format", "{{.State.Health.Status}}", *names).split() if names else []
        return len(states) == len(SERVICES) and set(states) == {"healthy"}

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self.base, *arguments], capture_output=True, text=True, check=False, env=self.environment, cwd=EXAMPLE
        )
        if done.returncode:
            raise Failure(f"docker compose {arguments[0]}: {done.stderr[-2000:]}")


class WithSpin:
    """The stack under Spin."""

    def __init__(self, stage: Stage, override: Path) -> None:
        self.stage = stage
        self.files = ("-f", "compose.yaml", "-f", str(override))
        self.version = stage.spin("--version").strip()

    def up(self) -> float:
        begin = time.monotonic()
        self.stage.spin("up", *self.files)
        return time.monotonic() - begin

    def down(self) -> None:
        self.stage.spin("rm", STACK, "--volumes", "--yes")


def measure(runs: int, interval: str | None, *, compose_only: bool) -> int:
    stage = Stage("bench")
    stage.prepare()
    override = stage.data / "interval.json"
    check = {"services": {name: {"healthcheck": {"interval": interval}} for name in SERVICES}} if interval else {}
    override.write_text(json.dumps(check or {"services": {}}))
    try:
        them = WithCompose(stage, override)
        sides: dict[str, WithCompose | WithSpin] = {them.version: them}
        if compose_only:
            for name in SERVICES:
                image = f"{stage.registry}/{PROJECT}/{name}:1.0"
                subprocess.run(["docker", "build", "-q", "-t", image, str(EXAMPLE / name)], check=True, stdout=subprocess.DEVNULL)
        else:
            begin(stage)
            us = WithSpin(stage, override)
            sides[us.version] = us
        times: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(1, runs + 1):
            for name, side in sides.items():
                try:
                    times[name].append(side.up())
                finally:
                    side.down()
                print(f"run {number}: {name:<32} {times[name][-1]:7.2f} s", flush=True)
        report(times, interval or "10s, as in the file", list(sides))
    except (Failure, RuntimeError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        stage.stop()
        stage.sweep()
    return 0


def begin(stage: Stage) -> None:
    """A platform with the stack's images and secret."""
    stage.start()
    stage.spin("login", stage.url, "--key-file", str(stage.data / "operator.key"))
    stage.spin("project", "create", PROJECT)
    stage.environment["SPIN_PROJECT"] = PROJECT
    stage.spin("secret", "create", f"{STACK}.db-password", "-", stdin=secrets.token_hex(16))
    stage.spin("build")
    stage.spin("push")


def report(times: dict[str, list[float]], interval: str, names: list[str]) -> None:
    print(f"\nhealth check interval: {interval}")
    print(f"{'':<32} {'median':>8} {'least':>8} {'most':>8}  runs")
    for name, taken in times.items():
        print(f"{name:<32} {statistics.median(taken):7.2f}s {min(taken):7.2f}s {max(taken):7.2f}s  {len(taken)}")
    if len(names) == 2:
        theirs, ours = (statistics.median(times[name]) for name in names)
        ratio = f"{ours / theirs:.2f}"
        print(f"\nratio of the medians, Spin to Docker Compose: {ratio}\n\nfor docs/benchmarks.md:")
        machine = f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}, {os.cpu_count()} cores"
        cells = (time.strftime("%Y-%m-%d"), interval, names[0], f"{theirs:.2f} s", f"{ours:.2f} s", ratio, machine)
        print(f"| {' | '.join(cells)} |")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench up", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument(
        "--interval", metavar="TIME", help="another interval of the health checks, such as 1s (default: the file's, 10s)"
    )
    parser.add_argument("--compose-only", action="store_true", help="measure only Docker Compose")
    arguments = parser.parse_args()
    return measure(arguments.runs, arguments.interval, compose_only=arguments.compose_only)


if __name__ == "__main__":
    sys.exit(main())
