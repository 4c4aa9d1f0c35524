"""A GiB through `spin exec` and through `docker exec -i`, in turn, out and in."""

from __future__ import annotations

import hashlib
import os
import re
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from stage import Failure, Stage, docker

GIB = 1024**3
MIB = 1024**2
ENOUGH = 0.5
"""The least ratio to `docker exec -i` that is asked for."""
FEW = 16 * MIB
"""The most memory that a GiB may cost the platform, and the client beyond what it needs for a line of text."""
_DOCKERFILE = "FROM debian:bookworm-slim\n"
_COMPOSE = "services:\n  web:\n    build: .\n    image: piped:1.0\n    init: true\n    command: [sleep, infinity]\n"
_OUT = ("head", "-c", str(GIB), "/dev/zero")
_IN = ("sh", "-c", "sha256sum")


@dataclass(frozen=True)
class Taken:
    """One transfer. `memory`: the most that the client has had, bytes."""

    seconds: float
    memory: int

    @property
    def rate(self) -> float:
        """MiB/s."""
        return GIB / MIB / self.seconds


def peak(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def out(command: list[str], environment: dict[str, str]) -> Taken:
    """From the container to a process that counts."""
    begin = time.monotonic()
    child = subprocess.Popen([*command, *_OUT], stdout=subprocess.PIPE, env=environment)
    assert child.stdout is not None
    size = memory = 0
    block = bytearray(MIB)
    with child.stdout:
        while count := os.readv(child.stdout.fileno(), [block]):
            size += count
            memory = max(memory, peak(child.pid)) if size % (32 * MIB) < count else memory
    if child.wait() or size != GIB:
        raise Failure(f"{command[0]}: {size} bytes have arrived, exit status {child.returncode}")
    return Taken(time.monotonic() - begin, memory)


def into(command: list[str], environment: dict[str, str]) -> Taken:
    """From a process that writes zeros to one in the container that drops them."""
    begin = time.monotonic()
    source = subprocess.Popen(["head", "-c", str(GIB), "/dev/zero"], stdout=subprocess.PIPE)
    child = subprocess.Popen(
        [*command, "sh", "-c", "cat >/dev/null; echo all"], stdin=source.stdout, stdout=subprocess.PIPE, env=environment
    )
    assert source.stdout is not None
    source.stdout.close()
    memory = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal memory
        while not done.wait(0.05):
            memory = max(memory, peak(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = child.communicate()[0]
    done.set()
    watcher.join()
    if source.wait() or child.returncode or said != b"all\n":
        raise Failure(f"{command[0]}: exit status {child.returncode}, and it said {said!r}")
    return Taken(time.monotonic() - begin, memory)


def whole(stage: Stage, command: list[str], environment: dict[str, str]) -> None:
    """A GiB of no two MiB alike goes in and comes out the same: checksums at three places."""
    file = stage.data / "random"
    sent = hashlib.sha256()
    with file.open("wb") as target:
        for _ in range(GIB // MIB):
            block = os.urandom(MIB)
            sent.update(block)
            target.write(block)
    with file.open("rb") as source:
        far = (
            subprocess.run([*command, *_IN], stdin=source, capture_output=True, check=True, env=environment)
            .stdout.split()[0]
            .decode()
        )
    got = hashlib.sha256()
    with file.open("rb") as source:
        child = subprocess.Popen([*command, "cat"], stdin=source, stdout=subprocess.PIPE, env=environment)
        assert child.stdout is not None
        with child.stdout:
            while piece := child.stdout.read(MIB):
                got.update(piece)
    file.unlink()
    if child.wait() or not far == got.hexdigest() == sent.hexdigest():
        raise Failure("the checksums differ")
    print("1 GiB of random bytes in, and in and out: checksums agree", flush=True)


def measure(stage: Stage, rounds: int) -> int:
    folder = stage.data / "piped"
    folder.mkdir()
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    (folder / "compose.yaml").write_text(_COMPOSE)
    stage.start()
    stage.spin("login", stage.url, "--key-file", str(stage.data / "operator.key"))
    stage.spin("project", "create", "bench")
    stage.environment["SPIN_PROJECT"] = "bench"
    for verb in ("build", "push", "up"):
        stage.spin(verb, cwd=folder)
    container = docker("ps", "-q", "--filter", f"label=spin.site={stage.site}", "--filter", "label=spin.kind=container").strip()
    environment = {**os.environ, **stage.environment}
    spin = ["spin", "exec", "-i", "piped/web"]
    plain = ["docker", "exec", "-i", container]
    line = subprocess.Popen([*spin, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert line.stdin is not None
    assert line.stdout is not None
    line.stdin.write(b"a line\n")
    line.stdin.flush()
    line.stdout.readline()
    least = peak(line.pid)
    line.communicate()
    server = stage.process.pid if stage.process is not None else 0
    before = peak(server)
    taken: dict[tuple[str, str], list[Taken]] = {}
    for number in range(1, rounds + 1):
        for way, move in (("out", out), ("in", into)):
            for name, command in (("docker exec -i", plain), ("spin exec -i", spin)):
                one = move(command, environment)
                taken.setdefault((way, name), []).append(one)
                print(f"round {number}: {way:<3} {name:<14} {one.rate:6.0f} MiB/s", flush=True)
    whole(stage, spin, environment)
    grown = peak(server) - before
    client = max(t.memory for (_, name), some in taken.items() if name.startswith("spin") for t in some) - least
    return report(taken, grown, client)


def report(taken: dict[tuple[str, str], list[Taken]], grown: int, client: int) -> int:
    good = True
    cells = [time.strftime("%Y-%m-%d"), str(len(taken["out", "spin exec -i"]))]
    for way in ("out", "in"):
        plain, spin = (statistics.median(t.rate for t in taken[way, name]) for name in ("docker exec -i", "spin exec -i"))
        print(f"{way:<3}: docker exec -i {plain:.0f} MiB/s, spin exec -i {spin:.0f} MiB/s, ratio {spin / plain:.2f}")
        cells += [f"{plain:.0f} MiB/s", f"{spin:.0f} MiB/s", f"{spin / plain:.2f}"]
        good &= spin / plain >= ENOUGH
    print(
        f"memory: the platform's peak grew by {grown / MIB:.1f} MiB, the client's is {client / MIB:.1f} MiB above that for one line"
    )
    good &= grown < FEW and client < FEW
    cells += [f"{grown / MIB:.1f} MiB", f"{client / MIB:.1f} MiB"]
    machine = f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}, {os.cpu_count()} cores"
    print(f"\nfor docs/benchmarks.md:\n| {' | '.join((*cells, machine))} |")
    if not good:
        print(f"asked for: a ratio of at least {ENOUGH}, and memory below {FEW // MIB} MiB")
    return 0 if good else 1
