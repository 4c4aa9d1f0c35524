"""A platform of its own for the demo and the benchmarks: `spin serve` in a directory of the checkout, and its end without traces."""

from __future__ import annotations

import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "three-tier"
SPIN = Path(sys.executable).parent / "spin"
READY_SECONDS = 60
STOP_SECONDS = 60


class Failure(Exception):
    """Something did not hold; the message is for people."""


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered."""

    status: int
    text: str

    def json(self) -> dict[str, object]:
        try:
            value = json.loads(self.text)
        except ValueError:
            raise Failure(f"expected JSON, got {self.status}: {self.text[:200]}") from None
        if not isinstance(value, dict):
            raise Failure(f"expected a JSON object, got: {self.text[:200]}")
        return value


@dataclass
class Stage:
    """One platform. `name` is its directory below `.spin` and part of its site id, so that checkouts and purposes do not meet."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ready: str = ""
    """The line that the platform printed when it was ready."""

    def __post_init__(self) -> None:
        checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]
        self.site = f"{self.name}-{checkout}"
        self.data = ROOT / ".spin" / self.name
        self.log = ROOT / ".spin" / f"{self.name}.log"
        self.ports = {name: free_port(wanted) for name, wanted in (("api", 7070), ("edge", 8080), ("registry", 5000))}
        self.url = f"http://127.0.0.1:{self.ports['api']}"
        self.registry = f"localhost:{self.ports['registry']}"
        # Credentials of `spin login` and `docker login` stay in the stage's directory, away from those of whoever runs this.
        self.environment = {
            **os.environ,
            "PATH": f"{SPIN.parent}:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(self.data / "config"),
            "DOCKER_CONFIG": str(self.data / "docker"),
            "DOCKER_HOST": docker_host(),
            "SPIN_URL": self.url,
        }
        for name in ("SPIN_TOKEN", "SPIN_PROJECT", "SPIN_ENVIRONMENT", "SPIN_STACK", "SPIN_REGISTRY"):
            self.environment.pop(name, None)

    # ---- the platform ------------------------------------------------------------------------------------------------------

    @property
    def command(self) -> list[str]:
        options = [option for name, port in self.ports.items() for option in (f"--{name}-port", str(port))]
        return ["spin", "serve", "--data", str(self.data), "--config", str(self.data / "spin.toml"), *options]

    def prepare(self) -> None:
        """An empty data directory, and nothing on the engine that an earlier, killed run has left."""
        self.sweep()
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        (self.data / "spin.toml").write_text(f'id = "{self.site}"\n')
        docker = self.data / "docker"
        docker.mkdir()
        plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
        if plugins.is_dir():
            (docker / "cli-plugins").symlink_to(plugins)

    def start(self) -> None:
        """Start `spin serve` and wait until it is ready. Raises Failure with the end of its log."""
        with self.log.open("w") as log:
            # A session of its own: Ctrl-C reaches only us, and we stop the platform after the stacks.
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self.process.stdout is not None
        output = self.process.stdout.fileno()
        deadline = time.monotonic() + READY_SECONDS
        said = b""
        while time.monotonic() < deadline:
            if select.select([output], [], [], 0.1)[0]:
                said += (more := os.read(output, 4096))
                lines = [line for line in said.splitlines(keepends=True) if b"ready" in line.lower() and line.endswith(b"\n")]
                if lines:
                    self.ready = lines[0].decode().strip()
                    return
                if not more:
                    break
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        raise Failure(f"the platform did not become ready:\n{tail(self.log)}")

    def key(self) -> str:
        """The operator's API key, which the first start wrote."""
        return (self.data / "operator.key").read_text().strip()

    def stop(self) -> None:
        """Stop the platform as a service manager would. Raises Failure if it does not end by itself."""
        if self.process is None:
            return
        process, self.process = self.process, None
        with process:
            process.send_signal(signal.SIGTERM)
            try:
                status = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise Failure(f"the platform did not end within {STOP_SECONDS} s of SIGTERM; see {self.log}") from None
        if status not in (0, -signal.SIGTERM):
            raise Failure(f"the platform ended with exit status {status}:\n{tail(self.log)}")

    # ---- what it made on the engine ------------------------------------------------------------------------------------------

    def left(self) -> list[str]:
        """Everything of this site on the engine, as `kind name`; also the registry's volume, where it runs as a container."""
        found = []
        for kind, command in (("container", ["ps", "--all"]), ("network", ["network", "ls"]), ("volume", ["volume", "ls"])):
            names = docker(*command, "--quiet", "--filter", f"label=spin.site={self.site}").split()
            found += [f"{kind} {name}" for name in names]
        return found

    def sweep(self) -> None:
        """Remove everything of this site from the engine, whether or not there is a platform that knows of it."""
        for item in self.left():
            kind, _, name = item.partition(" ")
            docker(*(["rm", "-fv"] if kind == "container" else [kind, "rm", "-f"] if kind == "volume" else [kind, "rm"]), name)
        if shutil.which("nft"):  # the tables of service addresses and of the guard outlive the platform, as the stacks do
            for table in (("ip", f"spin-{self.site}"), ("inet", f"spin-{self.site}-guard")):
                subprocess.run(["nft", "delete", "table", *table], capture_output=True, check=False)

    # ---- talking to it -------------------------------------------------------------------------------------------------------

    def spin(self, *arguments: str, stdin: str | None = None, cwd: Path = EXAMPLE) -> str:
        """Standard output of `spin ARGUMENTS`. Raises Failure if it fails."""
        return self.run(["spin", *arguments], stdin=stdin, cwd=cwd)

    def run(self, command: Sequence[str], stdin: str | None = None, cwd: Path = EXAMPLE) -> str:
        done = subprocess.run(command, env=self.environment, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"`{' '.join(command)}` ended with exit status {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def get(self, host: str, path: str = "/") -> Answer:
        """What the edge answers for `host`, without asking any DNS."""
        try:
            return self._get(host, path)
        except (
            RemoteDisconnected,
            ConnectionResetError,
        ):  # accepted while the edge changed its table: docs/architecture.md, limits
            return self._get(host, path)

    def _get(self, host: str, path: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.ports["edge"], timeout=10)
        try:
            connection.request("GET", path, headers={"Host": f"{host}:{self.ports['edge']}"})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode(errors="replace"))
        except (RemoteDisconnected, ConnectionResetError):
            raise
        except OSError as error:
            raise Failure(f"the edge does not answer for {host}: {error}") from None
        finally:
            connection.close()

    def browser_url(self, host: str) -> str:
        return f"http://{host}:{self.ports['edge']}/"


def docker(*arguments: str) -> str:
    """Standard output of the Docker command line. Raises Failure."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"`docker {' '.join(arguments)}`: {done.stderr.strip()}")
    return done.stdout


def docker_host() -> str:
    """Address of the engine that `docker` talks to here, by DOCKER_HOST or by its context."""
    return os.environ.get("DOCKER_HOST") or docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()


def free_port(wanted: int) -> int:
    """`wanted`, or where it is taken the same plus 10000, 20000, …: the same ones each time, so that image names repeat."""
    for port in range(wanted, 65536, 10000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
