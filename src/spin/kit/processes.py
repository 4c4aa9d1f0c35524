"""Child processes under supervision: started, restarted when they die, stopped cleanly, and found again after a crash of ours.

A child outlives a supervisor that is killed (`kill -9`): it has a session of its own, writes to a file and not to a pipe, and left
a pid file. The next supervisor of the same directory adopts it if it was started in the same way, or stops it before it starts
its own. The end of a process, child or adopted, is waited for on a pidfd: no polling, no signals, and no mistaken identity.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

import structlog

from spin.kit.backoff import backoff
from spin.kit.canonical import digest
from spin.kit.ports import PortUnavailable, check_port, listen

log = structlog.get_logger("processes")

# The pid file is written by the child itself before it becomes the program: there is no moment at which the program runs and
# nobody would find it. `exec` keeps the pid and the start time.
_BECOME = 'read -r stat < "/proc/$$/stat" && printf "%s\\n%s\\n" "$stat" "$1" > "$0" || exit 126; shift; exec "$@"'
_TAIL_BYTES = 2000
_LOOK_AT_LOG_EVERY = 30.0


class ProcessFailed(Exception):
    """A process did not come up, or another supervisor has it already. The message says which, and ends with its last words."""


@dataclass(frozen=True, slots=True)
class Child:
    """What to run, and how to tell that it works."""

    name: str
    """For messages, and the names of its files."""
    argv: tuple[str, ...]
    """The program as an absolute path, and its arguments."""
    directory: Path
    """Where its pid file, lock and log are, and where it runs. Made if missing, for the owner only."""
    ready: Callable[[], Awaitable[bool]]
    """Whether it answers. Asked until it does; then never again."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment."""
    identity: str = ""
    """What else makes it what it is, such as its configuration: a running process with another one is not adopted."""
    listeners: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Addresses that are opened for it; it finds the number of each file descriptor in the environment variable."""
    ports: tuple[tuple[str, int], ...] = ()
    """Addresses that it opens itself, and that must be free before it is started."""
    ready_within: float = 30.0
    """Seconds until it must answer."""
    grace: float = 10.0
    """Seconds between asking it to end (SIGTERM) and killing it."""
    log_bytes: int = 5 * 1024**2
    """Size at which its log is moved to `<name>.log.1`, replacing the one before."""

    @property
    def pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def fingerprint(self) -> str:
        return digest([self.argv, self.environment, self.identity, self.listeners])


class _Process:
    """A process that is or was alive, pinned by a pidfd. Needs the running loop that it was made in."""

    def __init__(self, pid: int, popen: subprocess.Popen[bytes] | None = None) -> None:
        """Raises ProcessLookupError if there is none."""
        self.pid = pid
        self.popen = popen
        self.since = time.monotonic()
        self._fd = os.pidfd_open(pid)
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._fd, self._end)

    def _end(self) -> None:
        self._loop.remove_reader(self._fd)
        if not self.ended.done():
            self.ended.set_result(None)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def kill_group(self) -> None:
        """The process and what it has started. Only while its pid cannot have gone to another: alive, or not yet waited for."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def died(self, within: float | None) -> bool:
        """Wait for its end, at most so many seconds; whether it has ended."""
        await asyncio.wait({self.ended}, timeout=within)
        return self.ended.done()

    def bury(self) -> str:
        """After its end: leave no zombie, no descendant and no descriptor. Returns how it ended, in words."""
        status = None
        if self.popen is not None:
            self.kill_group()
            status = self.popen.wait()
        self.release()
        if status is None:
            return "ended"
        return f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"

    def release(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class Supervisor:
    """Keeps one `Child` running from `start` to `stop`. Use it from one event loop, in any thread."""

    def __init__(
        self,
        child: Child,
        *,
        first: timedelta = timedelta(milliseconds=200),
        most: timedelta = timedelta(seconds=30),
        steady: timedelta = timedelta(minutes=1),
        restarted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """After a death it waits `first`, then twice as long each time up to `most`; who has run for `steady` starts afresh.

        `restarted` is called when a process that had died is ready again: it has lost what it kept in memory.
        """
        self.child = child
        self.adopted = False
        """Whether the process was found running."""
        self.restarts = 0
        self._first, self._most, self._steady = first, most, steady
        self._restarted = restarted
        self._process: _Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._lock: int | None = None

    @property
    def pid(self) -> int | None:
        """The running process; None while it is down."""
        process = self._process
        return None if process is None or process.ended.done() else process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Have it running and ready. Raises PortUnavailable, or ProcessFailed; nothing is left running then."""
        self.child.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._take_lock()
        try:
            self._process = await self._adopt()
            self.adopted = self._process is not None
            if self._process is None:
                self._process = await self._launch()
        except BaseException:
            self._release_lock()
            raise
        self._watch = asyncio.create_task(self._keep_running(), name=f"keep {self.child.name} running")

    async def stop(self) -> None:
        """Stop it and wait for its end. May be called again, and without a start."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        if self._process is not None:
            await self._end(self._process)
            self._process = None
        if self._lock is not None:
            self._release_lock()

    async def _adopt(self) -> _Process | None:
        """The process that an earlier supervisor has left behind, if it is as we would start it; it is stopped if it is not."""
        process, fingerprint = self._left_behind()
        if process is None:
            return None
        try:
            if fingerprint == self.child.fingerprint and await self._becomes_ready(process):
                log.info("adopted a running process", process=self.child.name, pid=process.pid)
                return process
        except BaseException:
            process.release()
            raise
        log.info("stopping a process that was started differently", process=self.child.name, pid=process.pid)
        await self._end(process)
        return None

    def _left_behind(self) -> tuple[_Process | None, str]:
        try:
            stat, fingerprint = self.child.pid_file.read_text().splitlines()
            process = _Process(int(stat.split()[0]))
        except (OSError, ValueError, IndexError):
            return None, ""
        # The pidfd is open, so what /proc says now is said of that process. A pid that was used again has another start time.
        started = _started(stat)
        if started is None or started != _started(_stat(process.pid)):
            process.release()
            return None, ""
        return process, fingerprint

    async def _launch(self) -> _Process:
        process = self._spawn()
        try:
            ready = await self._becomes_ready(process)
        except BaseException:
            await self._end(process)
            raise
        if ready:
            log.info("started", process=self.child.name, pid=process.pid)
            return process
        if process.ended.done():
            how = process.bury()
            self.child.pid_file.unlink(missing_ok=True)
        else:
            how = f"did not answer within {self.child.ready_within:g} s"
            await self._end(process)
        words = self._last_words()
        raise ProcessFailed(f"The {self.child.name} {how}. Its log ({self.child.log_file}) ends: {words or '(nothing)'}")

    def _spawn(self) -> _Process:
        child = self.child
        for host, port in child.ports:
            check_port(child.name, host, port)
        self._rotate()
        with contextlib.ExitStack() as stack:
            sockets: dict[str, socket.socket] = {}
            for variable, (host, port) in child.listeners.items():
                sockets[variable] = stack.enter_context(listen(child.name, host, port))
            descriptors = {variable: opened.fileno() for variable, opened in sockets.items()}
            output = stack.enter_context(child.log_file.open("ab"))
            popen = subprocess.Popen(
                ["/bin/sh", "-c", _BECOME, str(child.pid_file), child.fingerprint, *child.argv],
                env={**child.environment, **{variable: str(number) for variable, number in descriptors.items()}},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=child.directory,
                pass_fds=tuple(descriptors.values()),
                start_new_session=True,  # Ctrl-C on our terminal is ours: we say in which order things stop
                umask=0o077,
            )
        with contextlib.suppress(OSError):  # only root may; then it has the supervisor's own
            os.setpriority(os.PRIO_PROCESS, popen.pid, 0)
        return _Process(popen.pid, popen)

    async def _becomes_ready(self, process: _Process) -> bool:
        """Whether it answers before it dies and before the deadline."""
        deadline = time.monotonic() + self.child.ready_within
        pause = 0.01
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    if await self.child.ready():
                        return not process.ended.done()
            except TimeoutError:
                return False
            if await process.died(pause):
                return False
            pause = min(0.2, pause * 1.5)
        return False

    async def _keep_running(self) -> None:
        failures = 0
        while self._process is not None:
            process = self._process
            while not await process.died(_LOOK_AT_LOG_EVERY):
                await asyncio.to_thread(self._rotate)
            lived = time.monotonic() - process.since
            how = process.bury()
            failures = 1 if lived >= self._steady.total_seconds() else failures + 1
            self._process = None
            self._process = await self._bring_back(how, failures)
            if self._restarted is not None:
                try:
                    await self._restarted()
                except Exception:  # whatever it is: the child must not be left without a supervisor
                    log.exception("could not tell of a restart", process=self.child.name)

    async def _bring_back(self, how: str, failures: int) -> _Process:
        while True:
            wait = backoff(failures, first=self._first, most=self._most).total_seconds()
            log.warning("a process is gone; starting it again", process=self.child.name, how=how, seconds=wait)
            await asyncio.sleep(wait)
            try:
                process = await self._launch()
            except (ProcessFailed, PortUnavailable, OSError) as error:
                how = str(error)
                failures += 1
                continue
            self.restarts += 1
            return process

    async def _end(self, process: _Process) -> None:
        """Ask it to end, kill it when the grace is over, and leave nothing of it."""
        if process.ended.done():
            process.bury()
        else:
            process.signal(signal.SIGTERM)
            if not await process.died(self.child.grace):
                log.warning("did not end in time: killing it", process=self.child.name, seconds=self.child.grace)
                process.kill_group()
                await process.died(None)
            process.bury()
        self.child.pid_file.unlink(missing_ok=True)

    def _take_lock(self) -> int:
        """One supervisor a child: a second one would adopt the first one's process, and stop it. The kernel frees it with us."""
        lock = os.open(self.child.directory / f"{self.child.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ProcessFailed(f"Another process looks after the {self.child.name} in {self.child.directory}.") from None
        return lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _rotate(self) -> None:
        """Keep the log bounded. It is copied and emptied, since the child goes on writing to the open file."""
        current = self.child.log_file
        with contextlib.suppress(FileNotFoundError):
            if current.stat().st_size > self.child.log_bytes:
                shutil.copyfile(current, current.with_name(f"{current.name}.1"))
                os.truncate(current, 0)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError), self.child.log_file.open("rb") as file:
            file.seek(max(0, self.child.log_file.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
        return ""


def _stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""


def _started(stat: str) -> str | None:
    """When a process started, in clock ticks since the machine did (proc(5): field 22); None if it is gone or a zombie."""
    fields = stat.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else None
