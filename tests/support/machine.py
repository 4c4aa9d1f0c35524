"""A machine of a test's own, which can lose its power: a Docker Engine and a platform in namespaces of their own.

Its first process is the init of a process namespace. When that is killed, the kernel kills everything else there at once, and mounts,
bridges, routes and rules go with the last of them. What is on the disk stays, and the next start finds it: a reboot. The engine of
the machine that the tests run on is not touched; only an image comes from there.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.bridges import socket_within
from support.platform import RunningPlatform, eventually, free_ports

CONTROL_GROUPS = Path("/sys/fs/cgroup")

# The first process says what its pid is to the outside, as the old /proc still tells it. It has the mounts that a machine has after
# its start: none of another engine's, which would keep that one's containers and networks alive, an empty /run, and
# a number of this boot. Then it does what an init has to: it waits for orphans (bash does so for every child, known or not).
_INIT = r"""
set -e
read -r pid rest < /proc/self/stat
mount -t proc proc /proc
while read -r what where kind rest; do
    case $kind,$where in overlay,/?*|nsfs,*|*,/var/lib/docker|*,/var/lib/docker/*) umount -l "$where" || : ;; esac
done < <(tac /proc/self/mounts)
mount -t tmpfs tmpfs /run
cp /proc/sys/kernel/random/uuid /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
ip link set lo up
echo "$pid"
exec >&-
trap '' TERM INT HUP
while :; do sleep infinity & wait; done
"""


def lacking() -> str:
    """Why there can be no such machine here; empty where there can."""
    if os.geteuid() != 0:
        return "a machine of its own needs root"
    missing = [name for name in ("dockerd", "ip", "nsenter", "setpriv", "unshare") if shutil.which(name) is None]
    return f"a machine of its own needs {', '.join(missing)}" if missing else ""


@dataclass
class Machine:
    """Switched off in the beginning."""

    disk: Path
    name: str = field(default_factory=lambda: f"spin-test-{secrets.token_hex(4)}")
    """Of its control group."""
    _power: subprocess.Popen[str] | None = None
    _init: int = 0
    """The first process's id, as the tests see it."""
    _engine: subprocess.Popen[bytes] | None = None

    @property
    def docker_host(self) -> str:
        return "unix:///run/engine.sock"

    def power_on(self) -> None:
        """Everything is as after the start of a kernel; nothing runs yet."""
        apart = ["unshare", "--pid", "--mount", "--net", "--ipc", "--uts", "--fork", "--kill-child"]
        with (self.disk / "power.log").open("ab") as log:
            self._power = subprocess.Popen(
                # Also when the tests are killed the machine goes: the kernel sends each signal when the parent ends.
                ["setpriv", "--pdeathsig", "KILL", *apart, "bash", "-c", _INIT],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._power.stdout is not None
        with self._power.stdout as said:
            self._init = int(said.readline())

    def power_off(self) -> None:
        """The power fails: every process ends at once. Waits until none is left."""
        if self._power is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._init, signal.SIGKILL)
            self._power.wait(60)
            self._power = None
        if self._engine is not None:
            self._engine.wait(10)
            self._engine = None
        for top in (CONTROL_GROUPS, *CONTROL_GROUPS.iterdir()):
            _remove_groups(top / self.name)

    def inside(self, *command: str, folder: Path | None = None) -> list[str]:
        """The command that runs this one on the machine, in that folder."""
        enter = ["nsenter", "--target", str(self._init), "--pid", "--mount", "--net", "--ipc", "--uts", "--"]
        return [*enter, "env", f"--chdir={folder or self.disk}", *command]

    def run(self, *command: str, stdin: bytes | None = None) -> str:
        """What a command on the machine prints."""
        done = subprocess.run(
            self.inside(*command),
            capture_output=True,
            check=False,
            input=stdin,
            env=os.environ | {"DOCKER_HOST": self.docker_host},
            timeout=60,
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.decode()}")
        return done.stdout.decode()

    def docker(self, *arguments: str, stdin: bytes | None = None) -> str:
        return self.run("docker", *arguments, stdin=stdin)

    def start_engine(self) -> None:
        """Start the Docker Engine, and wait until it answers."""
        config = self.disk / "daemon.json"
        config.write_text("{}")
        flags = [
            *("--data-root", f"{self.disk}/docker", "--config-file", str(config), "--cgroup-parent", f"/{self.name}"),
            *("--host", self.docker_host, "--exec-root", "/run/engine", "--pidfile", "/run/engine.pid"),
        ]
        with (self.disk / "dockerd.log").open("ab") as log:
            self._engine = subprocess.Popen(self.inside("dockerd", *flags), stdout=log, stderr=log)
        eventually(self._answers, what="the machine's engine answers")

    def stop_engine(self, number: signal.Signals) -> None:
        """Send the engine this signal, and wait for its end."""
        assert self._engine is not None
        self.run("kill", f"-{number.value}", self.run("cat", "/run/engine.pid").strip())
        self._engine.wait(60)

    def containers(self) -> list[dict[str, Any]]:
        """All containers, as the engine shows them in detail."""
        ids = self.docker("ps", "--all", "--quiet", "--no-trunc").split()
        found: list[dict[str, Any]] = json.loads(self.docker("container", "inspect", *ids)) if ids else []
        return found

    def connect(self, port: int) -> socket.socket:
        """A connection to a port of the machine's loopback."""
        made = socket_within(self._init)
        made.settimeout(10)
        try:
            made.connect(("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        return made

    @contextlib.contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """A program of the machine's own that takes connections on all of its addresses."""
        with socket_within(self._init) as made:
            made.bind(("0.0.0.0", port))
            made.listen()
            taking = threading.Thread(target=_take_and_close, args=(made,), daemon=True)
            taking.start()
            try:
                yield
            finally:
                made.shutdown(socket.SHUT_RDWR)
                taking.join()

    def _answers(self) -> bool:
        assert self._engine is not None
        if self._engine.poll() is not None:
            raise RuntimeError(f"dockerd ended: {(self.disk / 'dockerd.log').read_text()[-2000:]}")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as wire:
            wire.settimeout(10)
            wire.connect(f"/proc/{self._init}/root/run/engine.sock")
            wire.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in wire.recv(100)


@dataclass
class MachinePlatform(RunningPlatform):
    """`spin serve` and the `spin` command on such a machine."""

    machine: Machine = field(kw_only=True)

    def command(self, *words: str, folder: Path | None = None) -> list[str]:
        return self.machine.inside(*words, folder=folder)

    def connection(self) -> http.client.HTTPConnection:
        made = super().connection()
        made.sock = self.machine.connect(self.edge_port)
        return made

    def power_off(self) -> None:
        self.machine.power_off()
        if self.process is not None:
            self.process.wait(10)

    def reboot(self, *, engine_first: bool) -> None:
        """The power fails, and is there again; engine and platform are started in that order, the second when the first is up."""
        self.power_off()
        self.machine.power_on()
        starts = [self.machine.start_engine, self.start]
        for start in starts if engine_first else reversed(starts):
            start()


@contextlib.contextmanager
def running_machine() -> Iterator[MachinePlatform]:
    """A machine that is on, with an engine and a platform that run, and the project `demo`."""
    disk = Path(tempfile.mkdtemp(prefix="spin-", dir="/tmp")).resolve()  # the path of a unix socket has 107 bytes at most
    machine = Machine(disk)
    api, edge, registry = free_ports(3)
    environment = {"DOCKER_HOST": machine.docker_host}
    platform = MachinePlatform(disk / "data", "machine", api, edge, registry, environment=environment, machine=machine)
    try:
        machine.power_on()
        machine.start_engine()
        platform.start()
        platform.spin("project", "create", "demo")
        yield platform
    finally:
        platform.power_off()
        shutil.rmtree(disk)


def _take_and_close(listener: socket.socket) -> None:
    """Until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()


def _remove_groups(group: Path) -> None:
    """A control group without processes, and those within."""
    if group.is_dir():
        for below in group.iterdir():
            _remove_groups(below)
        group.rmdir()
