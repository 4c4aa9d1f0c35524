"""Child processes in tests: whatever happens, none is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest


async def soon(check: Callable[[], bool | Awaitable[bool]], what: str, within: float = 15) -> None:
    """Wait until `check` is true; fail after `within` seconds, saying what was waited for."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def marked(directory: Path) -> list[int]:
    """The processes that were started in (or below) a directory."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(directory) and alive(int(process.name)):
                found.append(int(process.name))
    return found


def sweep(directory: Path) -> None:
    """Kill what still runs in `directory`."""
    for pid in marked(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def workplace() -> Iterator[Path]:
    """A directory with a short name (unix sockets want one); what runs in it at the end is killed."""
    directory = Path(tempfile.mkdtemp(prefix="spin-", dir="/tmp")).resolve()  # the path of a unix socket has 107 bytes at most
    try:
        yield directory
    finally:
        sweep(directory)
        shutil.rmtree(directory, ignore_errors=True)
