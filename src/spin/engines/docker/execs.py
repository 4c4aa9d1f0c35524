"""Commands in running containers, and their end.

Docker knows no way to end an exec: when its connection breaks, the process goes on for ever. So each one gets a mark in its
environment, SPIN_SESSION=site.number, and whoever is left by its client is looked for and ended: from this machine, where the engine's
processes are ours to see (all of the command's session, and what else carries the mark, within that container), and else by a
shell in the container.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiodocker.exceptions import DockerError

from spin.engines.docker.attached import Attached
from spin.engines.docker.client import Client
from spin.engines.docker.reasons import sentence
from spin.engines.docker.wire import hijack
from spin.errors import Conflict, EngineUnavailable, Failed
from spin.model.names import InstanceId
from spin.model.streams import Command, Size

log = structlog.get_logger("spin.engines.docker")

MARK = "SPIN_SESSION"
GRACE = 2.0
"""Seconds between the hang-up that a command may see to (SIGHUP, SIGTERM) and its end (SIGKILL)."""
_LOOKS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Pauses between looks whether a command has ended whose output has; the last one goes on."""
_CONTAINER = re.compile(r"(?:docker[-/]|/)[0-9a-f]{64}")
_RESIZES = 20
_RESIZE_PAUSE = 0.05

# Every process that carries the mark ($0) gets the signal ($1). The shell that does it has the mark as an argument only.
_SWEEP = (
    'for p in /proc/[0-9]*; do case "$(cat "$p/environ")" in *"$0"*) kill -s "$1" "${p#/proc/}";; esac; done 2>/dev/null; true'
)


class Execs:
    def __init__(self, client: Client, site: str, proc: Path = Path("/proc")) -> None:
        self._client = client
        self._site = site
        self._proc = proc
        self._hangups: set[asyncio.Task[None]] = set()
        self._ours: set[str] = set()
        """Marks of those whose connection is open, or that are being hung up."""
        self._swept = False

    @asynccontextmanager
    async def run(self, container: InstanceId, command: Command) -> AsyncIterator[Attached]:
        """The command's streams, for a block; what still runs at its end is hung up.

        Raises Conflict where the container does not run.
        """
        mark = f"{self._site}.{uuid.uuid4().hex}"
        self._ours.add(mark)
        try:
            async with self._run(container, command, mark) as attached:
                yield attached
        finally:
            if not any(task.get_name() == mark for task in self._hangups):
                self._ours.discard(mark)

    @asynccontextmanager
    async def _run(self, container: InstanceId, command: Command, mark: str) -> AsyncIterator[Attached]:
        body: dict[str, Any] = {
            "AttachStdin": command.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": command.tty,
            "Cmd": list(command.argv),
            "Env": [
                *(f"{n}={v}" for n, v in command.environment),
                *(["TERM=xterm"] if _no_term(command) else []),
                f"{MARK}={mark}",
            ],
        }
        optional = {"User": command.user, "WorkingDir": command.workdir}
        body |= {name: value for name, value in optional.items() if value is not None}
        try:
            exec_id = (await self._client.post(f"containers/{container}/exec", body))["Id"]
            wire = await hijack(self._client, f"exec/{exec_id}/start", {"Detach": False, "Tty": command.tty})
        except DockerError as error:
            if error.status in (404, 409):
                raise Conflict(f"The container cannot run a command now: {sentence(error.message)}") from error
            raise Failed(sentence(error.message)) from error

        attached = Attached(wire, tty=command.tty, status=partial(self._status, exec_id), resize=partial(self._resize, exec_id))
        try:
            if command.size is not None:
                await attached.resize(command.size)
            yield attached
        finally:
            wire.close()
            if not attached.ended:
                self._later(container, exec_id, mark)

    async def sweep(self) -> None:
        """End, once, what a platform of this site that was killed has left running on this machine."""
        if self._swept:
            return
        self._swept = True
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGKILL):
            left = await asyncio.to_thread(strays, self._proc, self._site, frozenset(self._ours))
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            if left and number is signal.SIGTERM:
                log.info("commands that an earlier platform has left are ended", count=len(left))
                await asyncio.sleep(GRACE)

    async def close(self) -> None:
        """Wait until what was hung up has ended."""
        await asyncio.gather(*self._hangups, return_exceptions=True)

    def _later(self, container: str, exec_id: str, mark: str) -> None:
        task = asyncio.create_task(self._hang_up(container, exec_id, mark), name=mark)
        self._hangups.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._hangups.discard(task)
            self._ours.discard(mark)

        task.add_done_callback(done)

    async def _status(self, exec_id: str) -> int:
        pauses = iter(_LOOKS)
        pause = 0.0
        try:
            while True:
                found = await self._client.get(f"exec/{exec_id}/json")
                if not found["Running"] and found["ExitCode"] is not None:
                    return int(found["ExitCode"])
                pause = next(pauses, pause)
                await asyncio.sleep(pause)
        except DockerError as error:
            if error.status == 404:  # its container was removed
                return 128 + signal.SIGKILL
            raise Failed(sentence(error.message)) from error

    async def _resize(self, exec_id: str, size: Size) -> None:
        """The engine refuses until the command has begun."""
        for _ in range(_RESIZES):
            try:
                await self._client.ask("POST", f"exec/{exec_id}/resize", params={"h": str(size.rows), "w": str(size.columns)})
            except DockerError:
                await asyncio.sleep(_RESIZE_PAUSE)
            else:
                return

    async def _hang_up(self, container: str, exec_id: str, mark: str) -> None:
        try:
            for number in (signal.SIGHUP, signal.SIGTERM):
                await self._signal(container, exec_id, mark, number)
            deadline = asyncio.get_running_loop().time() + GRACE
            while asyncio.get_running_loop().time() < deadline:
                if await self._left(container, exec_id, mark) == []:
                    return
                await asyncio.sleep(_LOOKS[2])
            await self._signal(container, exec_id, mark, signal.SIGKILL)
        except (DockerError, EngineUnavailable) as error:
            log.info("a command that its client has left cannot be found", container=container[:12], reason=str(error))

    async def _left(self, container: str, exec_id: str, mark: str) -> list[int] | None:
        """What still runs of it, as `members` tells; None where that is to be seen from within the container only."""
        found = await self._client.get(f"exec/{exec_id}/json")
        leader = int(found["Pid"]) if found["Running"] else 0
        left = await asyncio.to_thread(members, self._proc, container, leader, mark)
        return None if leader and not left else left

    async def _signal(self, container: str, exec_id: str, mark: str, number: signal.Signals) -> None:
        left = await self._left(container, exec_id, mark)
        try:
            for pid in left or ():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        except PermissionError:
            left = None
        if left is None:
            await self._sweep(container, mark, number)

    async def _sweep(self, container: str, mark: str, number: signal.Signals) -> None:
        """The same from within the container, where it has a shell."""
        body = {"Cmd": ["sh", "-c", _SWEEP, f"{MARK}={mark}", number.name.removeprefix("SIG")]}
        with suppress(DockerError, EngineUnavailable):
            exec_id = (await self._client.post(f"containers/{container}/exec", body))["Id"]
            await self._client.post(f"exec/{exec_id}/start", {"Detach": True})


def _no_term(command: Command) -> bool:
    return command.tty and all(name != "TERM" for name, _ in command.environment)


def members(proc: Path, container: str, leader: int, mark: str) -> list[int] | None:
    """The processes of a command on this machine, by number: those in the container that are of the session of process `leader`, or
    carry the mark. None where this machine does not show the container's processes.
    """
    found: list[int] = []
    seen = False
    wanted = f"{MARK}={mark}".encode()
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError, IndexError, ValueError):
            if container not in (folder / "cgroup").read_text():
                continue
            seen = True
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] in ("Z", "X"):
                continue
            if (leader and int(fields[3]) == leader) or wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found if seen else None


def strays(proc: Path, site: str, ours: frozenset[str]) -> list[int]:
    """The processes in containers on this machine that carry a mark of the site, but none of `ours`."""
    found: list[int] = []
    wanted = f"{MARK}={site}.".encode()
    known = {f"{MARK}={mark}".encode() for mark in ours}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                words = [w for w in (folder / "environ").read_bytes().split(b"\0") if w.startswith(wanted)]
                # A container's process: whoever has set the variable by hand elsewhere is not meant.
                if words and not known & set(words) and _CONTAINER.search((folder / "cgroup").read_text()):
                    found.append(int(folder.name))
    return found
