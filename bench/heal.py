"""`./run bench heal`: how long a service is away after its container was killed or removed by hand.

One image, three times: a service under Spin whose main process is killed with SIGKILL, one whose container is removed as
`docker rm -f` does it, both asked through the edge; and a plain container of `docker run --restart always` with a published port,
killed as well. The time ends with the first answer of a new process. Docker waits longer before each restart of a container that has
run for less than 10 s, so every container runs longer than that before it is killed.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from stage import Failure, Stage, docker, docker_host, free_port

STACK = "heal"
PROJECT = "bench"
PORT = 8080
LONG_ENOUGH = 10.5
"""Seconds that a container has run before it is killed."""
PATIENCE = 60.0
"""Seconds within which a service has to be back."""
PAUSE = 0.002
"""Seconds between an answer that was none and the next question."""

# Answers each request with a number that it drew when it was started.
_SERVER = """
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die;
my $mark = int(rand(1e12));
while (my $client = $server->accept) {
    while (defined(my $line = <$client>)) { last if $line !~ /\\S/ }
    print $client "HTTP/1.1 200 OK\\r\\nContent-Length: ", length($mark), "\\r\\nConnection: close\\r\\n\\r\\n$mark";
    close $client;
}
"""
_DOCKERFILE = """\
FROM debian:bookworm-slim
COPY server.pl /server.pl
CMD ["perl", "-MIO::Socket::INET", "/server.pl"]
"""
_SERVICE = (
    "  {name}:\n    build: .\n    image: served:1.0\n    restart: always\n    stop_grace_period: 1s\n    x-spin: {{http: 8080}}\n"
)


@dataclass
class Subject:
    """A container that will be hurt, and how it is asked."""

    name: str
    ask: Callable[[], str | None]
    """The mark of the process that answers; None if none does."""
    find: Callable[[], str]
    """The container's id."""
    hurt: Callable[[str], None]
    since: float = 0.0
    """When its process was first seen."""

    def wait(self) -> str:
        """Its mark, once it has run long enough."""
        mark = self._answer(lambda found: found is not None)
        self.since = self.since or time.monotonic()
        time.sleep(max(0.0, self.since + LONG_ENOUGH - time.monotonic()))
        return mark

    def round(self) -> float:
        """Seconds until another process answers."""
        mark, container = self.wait(), self.find()
        begin = time.monotonic()
        self.hurt(container)
        self._answer(lambda found: found not in (None, mark))
        self.since = time.monotonic()
        return self.since - begin

    def _answer(self, good: Callable[[str | None], bool]) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.ask()
            if good(found):
                return str(found)
            time.sleep(PAUSE)
        raise Failure(f"{self.name} did not come back within {PATIENCE:.0f} s")


def asker(port: int, host: str) -> Callable[[], str | None]:
    """A question over a new connection each time."""

    def ask() -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": host})
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return text if response.status == 200 else None

    return ask


def kill(container: str) -> None:
    """SIGKILL to the main process, from outside the engine: as a crash."""
    os.kill(int(docker("inspect", "--format", "{{.State.Pid}}", container)), signal.SIGKILL)


class Removal:
    """What `docker rm -f` asks of the engine, without the time that starting the command takes."""

    def __init__(self) -> None:
        where = urlsplit(docker_host())
        if where.scheme != "unix":
            raise Failure("this measurement needs a Docker Engine on a Unix socket of this machine")
        self._path = where.path
        self._under_way: list[socket.socket] = []

    def __call__(self, container: str) -> None:
        """Ask, and do not wait for the answer: the engine takes its time to clear up."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._path)
        connection.sendall(f"DELETE /containers/{container}?force=true HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
        self._under_way.append(connection)

    def finish(self) -> None:
        for connection in self._under_way:
            connection.recv(4096)
            connection.close()
        self._under_way.clear()


def prepare(stage: Stage) -> Path:
    """A platform with the stack, running; returns the stack's directory."""
    folder = stage.data / STACK
    folder.mkdir()
    (folder / "server.pl").write_text(_SERVER)
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    (folder / "compose.yaml").write_text("services:\n" + "".join(_SERVICE.format(name=name) for name in ("killed", "removed")))
    stage.start()
    stage.spin("login", stage.url, "--key-file", str(stage.data / "operator.key"))
    stage.spin("project", "create", PROJECT)
    stage.environment["SPIN_PROJECT"] = PROJECT
    for command in ("build", "push", "up"):
        stage.spin(command, cwd=folder)
    return folder


def plain_container(stage: Stage, port: int) -> str:
    name = f"{stage.site}-plain"
    image = f"{stage.registry}/{PROJECT}/served:1.0"
    publish = f"127.0.0.1:{port}:{PORT}"
    return docker(
        *("run", "--detach", "--name", name, "--label", f"spin.site={stage.site}", "--restart", "always"),
        *("--publish", publish, image),
    ).strip()


def measure(rounds: int) -> int:
    stage = Stage("heal")
    stage.prepare()
    removal = Removal()
    try:
        prepare(stage)
        port = free_port(8090)
        plain = plain_container(stage, port)
        edge = stage.ports["edge"]

        def under_spin(service: str, hurt: Callable[[str], None]) -> Subject:
            def find() -> str:
                chosen = ("--filter", f"label=spin.site={stage.site}", "--filter", f"label=spin.service={service}")
                return docker("ps", "--quiet", "--no-trunc", *chosen).strip()

            return Subject(service, asker(edge, f"{service}.{STACK}.development.spin.localhost:{edge}"), find, hurt)

        subjects = {
            "plain container, kill -9": Subject("the plain container", asker(port, "localhost"), lambda: plain, kill),
            "Spin, kill -9": under_spin("killed", kill),
            "Spin, docker rm -f": under_spin("removed", removal),
        }
        times: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(1, rounds + 1):
            for name, subject in subjects.items():
                times[name].append(subject.round())
                removal.finish()
                time.sleep(0.5)  # what is being cleared up does not disturb the next
                print(f"round {number}: {name:<26} {times[name][-1] * 1000:8.0f} ms", flush=True)
        report(times)
    except (Failure, RuntimeError, subprocess.SubprocessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    finally:
        stage.stop()
        stage.sweep()
    return 0


def report(times: dict[str, list[float]]) -> None:
    print(f"\n{'':<26} {'median':>9} {'least':>9} {'most':>9}  ratio")
    base = statistics.median(next(iter(times.values())))
    cells = [time.strftime("%Y-%m-%d"), str(len(next(iter(times.values()))))]
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:<26} {middle * 1000:6.0f} ms {min(taken) * 1000:6.0f} ms {max(taken) * 1000:6.0f} ms  {middle / base:5.2f}")
        cells += [f"{middle * 1000:.0f} ms"] + ([f"{middle / base:.2f}"] if len(cells) > 2 else [])
    machine = f"Docker {docker('version', '--format', '{{.Server.Version}}').strip()}, {os.cpu_count()} cores"
    print(f"\nfor docs/benchmarks.md:\n| {' | '.join((*cells, machine))} |")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench heal", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--rounds", type=int, default=10, help="rounds (default 10)")
    return measure(parser.parse_args().rounds)


if __name__ == "__main__":
    sys.exit(main())
