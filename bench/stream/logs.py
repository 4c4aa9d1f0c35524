"""A million lines through `spin logs` and through `docker logs`, in turn; and two hundred who follow one container."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

from stage import Failure, Stage, docker

LINES = 1_000_000
SLOWEST = 2.0
"""The most that is allowed of the wall time of `docker logs`."""
FOLLOWERS = 200
SAID = 200
"""Lines that each follower gets, ten in a second."""
_DOCKERFILE = "FROM debian:bookworm-slim\n"
_COMPOSE = """\
services:
  many:
    build: .
    image: logged:1.0
    init: true
    command:
      - perl
      - -e
      - 'for my $$n (1..1000000) { print "line $$n of a million, of a usual length for a log\\n" } $$| = 1; print "end\\n"; sleep 1e6'
  clock:
    build: .
    image: clock:1.0
    init: true
    command: [perl, -MTime::HiRes=time, -e, '$$| = 1; while (1) { printf "%.6f\\n", time; select(undef, undef, undef, 0.1) }']
"""


def measure(stage: Stage, rounds: int) -> int:
    folder = stage.data / "logged"
    folder.mkdir()
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    (folder / "compose.yaml").write_text(_COMPOSE)
    with (stage.data / "spin.toml").open("a") as file:
        file.write("[limits]\nlog_bytes = 1000000000\n")
    stage.start()
    stage.spin("login", stage.url, "--key-file", str(stage.data / "operator.key"))
    stage.spin("project", "create", "bench")
    stage.environment["SPIN_PROJECT"] = "bench"
    for verb in ("build", "push", "up"):
        stage.spin(verb, cwd=folder)
    container = docker("ps", "-q", "--filter", f"label=spin.site={stage.site}", "--filter", "label=spin.service=many").strip()
    while docker("logs", "--tail", "1", container) != "end\n":
        time.sleep(1)
    plain = ["docker", "logs", container]
    spin = ["spin", "logs", "logged/many", "--no-prefix"]
    taken: dict[str, list[float]] = {"docker logs": [], "spin logs": []}
    for number in range(1, rounds + 1):
        sums = set()
        for name, command in (("docker logs", plain), ("spin logs", spin)):
            seconds, checksum = read(command, stage.environment)
            sums.add(checksum)
            taken[name].append(seconds)
            print(f"round {number}: {name:<12} {seconds:6.2f} s", flush=True)
        if len(sums) != 1:
            raise Failure("the two do not say the same")
    old, new = (statistics.median(some) for some in taken.values())
    print(f"{LINES} lines: docker logs {old:.2f} s, spin logs {new:.2f} s, ratio {new / old:.2f} (at most {SLOWEST})")
    memory, delays = follow(stage)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(f"{FOLLOWERS} followers: {memory / 1024:.0f} KiB each, delay {p50 * 1000:.0f} ms (median), {p99 * 1000:.0f} ms (p99)")
    machine = f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}, {os.cpu_count()} cores"
    cells = (time.strftime("%Y-%m-%d"), str(rounds), f"{old:.2f} s", f"{new:.2f} s", f"{new / old:.2f}")
    followed = (f"{memory / 1024:.0f} KiB", f"{p50 * 1000:.0f} ms", f"{p99 * 1000:.0f} ms", machine)
    print(f"\nfor docs/benchmarks.md:\n| {' | '.join((*cells, *followed))} |")
    return 0 if new / old <= SLOWEST else 1


def read(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Wall time, and the checksum of what came."""
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert child.stdout is not None
    found, lines = hashlib.sha256(), 0
    with child.stdout:
        while piece := os.read(child.stdout.fileno(), 1024 * 1024):
            found.update(piece)
            lines += piece.count(b"\n")
    if child.wait() or lines != LINES + 1:
        raise Failure(f"{command[0]} logs: {lines} lines, exit status {child.returncode}")
    return time.monotonic() - begin, found.hexdigest()


def follow(stage: Stage) -> tuple[float, list[float]]:
    """What each follower costs the platform in memory, bytes, and the delays of all lines of all, sorted, seconds."""
    assert stage.process is not None
    server = stage.process.pid
    before = resident(server)
    memory, delays = asyncio.run(_all(stage, server))
    return (memory - before) / FOLLOWERS, sorted(delays)


async def _all(stage: Stage, server: int) -> tuple[int, list[float]]:
    async with asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(_one(stage)) for _ in range(FOLLOWERS)]
        await asyncio.sleep(SAID / 20)
        memory = resident(server)
    return memory, [delay for task in followers for delay in task.result()]


async def _one(stage: Stage) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.ports["api"])
    path = "/api/v1/projects/bench/environments/development/stacks/logged/logs?service=clock&follow=true&tail=0"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stage.key()}\r\n\r\n".encode())
    delays: list[float] = []
    while len(delays) < SAID:
        line = await reader.readline()
        if line.startswith(b"{"):
            delays.append(time.time() - float(json.loads(line)["text"]))
        elif not line:
            raise Failure("a follower was cut off")
    writer.close()
    return delays


def resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0
