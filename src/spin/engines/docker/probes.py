"""Is it up yet? Asking containers that are starting, much more often than their health check's interval does.

Engines before API 1.44 run a health check for the first time after one whole interval (30 s unless told otherwise). So until the
first success Spin runs the check's own command itself, through exec, which has the same user, environment and directory. A success
is remembered by container and start time, in memory only: a container that was restarted, or a Spin that was, asks again. Failures are
not counted; the engine's own verdict stands.

A task per starting container, at most one probe in flight in each, none when nothing is starting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from aiodocker.exceptions import DockerError

from spin.engines.docker.client import Client, lasting
from spin.engines.docker.frames import Frames
from spin.engines.docker.reasons import clause, health_check
from spin.errors import EngineUnavailable
from spin.model.names import DeploymentKey

PAUSE = 0.15
"""Seconds between the end of a probe and the beginning of the next (DESIGN: every 100-200 ms)."""
FIRST = 0.25
"""Seconds before a health check's command is run for the first time: hardly a program is up sooner, and each run costs its host."""
LONGEST_PAUSE = 1.0
"""The pause grows to this in a container's first minute, and is never shorter than the probe took: what is slow is not pressed."""
GROWTH = 1 / 60
"""Pause by time spent waiting: what takes twenty seconds to come up is seen a third of a second late, at most."""
CONNECT = 0.25
"""Seconds that a connection to a container on this host may take."""
OUTPUT = 4096
"""Bytes of a probe's output that are kept."""


@dataclass(frozen=True, slots=True)
class Command:
    """A health check's command: it passes if it exits 0 within `timeout` seconds."""

    argv: tuple[str, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class Connect:
    """Something accepts TCP connections there."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Run:
    """Nothing to ask: it counts as up when it has run for `seconds` from now."""

    seconds: float


Probe: TypeAlias = Command | Connect | Run


@dataclass(frozen=True, slots=True)
class Starting:
    """A running container that has not been seen up. `started`: the engine's StartedAt, which changes with each start."""

    id: str
    started: str
    probe: Probe


@dataclass(slots=True)
class _Watch:
    key: DeploymentKey
    started: str
    task: asyncio.Task[None] | None = None
    up: bool = False
    said: str = ""


class Prober:
    def __init__(self, client: Client, hint: Callable[[DeploymentKey], None]) -> None:
        self._client = client
        self._hint = hint
        self._watches: dict[str, _Watch] = {}
        self._room = asyncio.Semaphore(8)  # execs in flight on the whole engine: each costs its host some 50 ms of CPU

    def up(self, id: str, started: str) -> bool:
        """A probe has succeeded since that start."""
        watch = self._watches.get(id)
        return watch is not None and watch.started == started and watch.up

    def said(self, id: str) -> str:
        """One line of what the last probe that failed has put out."""
        watch = self._watches.get(id)
        return "" if watch is None else watch.said

    def verdict(self, id: str) -> str:
        """All that probes have found out about the container, as a text to be compared with a later one."""
        watch = self._watches.get(id)
        return "" if watch is None else f"{watch.started} {watch.up} {watch.said}"

    async def greet(self, key: DeploymentKey, starting: Starting) -> None:
        """One quick look at once, where that costs next to nothing, so that a Spin that was restarted knows what is up."""
        if not self.up(starting.id, starting.started) and await _is_up(starting.probe):
            self._drop(starting.id)
            self._watches[starting.id] = _Watch(key, starting.started, up=True)

    def follow(self, key: DeploymentKey, starting: tuple[Starting, ...], running: Mapping[str, str]) -> None:
        """Probe these containers of the deployment until they are up, and forget the others that do not run any more.

        `running`: StartedAt of everything that runs, by container.
        """
        wanted = {s.id for s in starting}
        for container, watch in list(self._watches.items()):
            ended = running.get(container) != watch.started
            if watch.key == key and (ended or (container not in wanted and watch.task is not None)):
                self._drop(container)
        for each in starting:
            if each.id not in self._watches:
                watch = self._watches[each.id] = _Watch(key, each.started)
                watch.task = asyncio.create_task(self._watch(each, watch), name=f"probe {each.id[:12]}")

    async def close(self) -> None:
        tasks = [w.task for w in self._watches.values() if w.task is not None]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, id: str) -> None:
        watch = self._watches.pop(id, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()

    async def _watch(self, starting: Starting, watch: _Watch) -> None:
        begun = time.monotonic()
        try:
            if isinstance(starting.probe, Command):
                await asyncio.sleep(FIRST)
            while not await self._succeeds(starting, watch, begun):
                pass
        except (DockerError, EngineUnavailable):
            # It does not run any more, or the engine is gone: an event says so, or the next look begins anew.
            if self._watches.get(starting.id) is watch:
                del self._watches[starting.id]
        except TimeoutError:
            watch.said = "the health check did not answer in time"  # from here on the engine's own verdict alone counts
        else:
            watch.up = True
            self._hint(watch.key)
        finally:
            watch.task = None

    async def _succeeds(self, starting: Starting, watch: _Watch, since: float) -> bool:
        """One probe; a pause after it, if it failed. `since`: when the first one began."""
        probe = starting.probe
        begun = time.monotonic()
        if isinstance(probe, Run):
            await asyncio.sleep(probe.seconds)
            return True
        if isinstance(probe, Connect):
            if await _connects(probe):
                return True
            watch.said = f"nothing answers on port {probe.port} yet"
        else:
            async with self._room:
                code, output = await self._run(starting.id, probe)
            if code == 0:
                return True
            watch.said = health_check(output.strip(), code)
        now = time.monotonic()
        await asyncio.sleep(min(LONGEST_PAUSE, max(PAUSE, now - begun, (now - since) * GROWTH)))
        return False

    async def _run(self, id: str, probe: Command) -> tuple[int, str]:
        """Exit status and output. Raises TimeoutError; the engine knows no way to end an exec, so it is not tried again then."""
        body = {"Cmd": list(probe.argv), "AttachStdout": True, "AttachStderr": True}
        frames = Frames()
        output = b""
        try:
            exec_id = (await self._client.post(f"containers/{id}/exec", body))["Id"]
            async with (
                asyncio.timeout(probe.timeout),
                self._client.stream("POST", f"exec/{exec_id}/start", body={"Detach": False}, timeout=lasting(3600)) as response,
            ):
                async for chunk in response.content.iter_any():
                    for _, text in frames.feed(chunk):
                        output = (output + text)[-OUTPUT:]
            code = (await self._client.get(f"exec/{exec_id}/json"))["ExitCode"]
        except DockerError as error:
            if error.status in (404, 409):  # the container is gone, or does not run
                raise
            return -1, clause(error.message)
        return code, output.decode(errors="replace")


async def _is_up(probe: Probe) -> bool:
    """What can be told at once: something answers, or it has run for as long as it had to."""
    match probe:
        case Connect():
            return await _connects(probe)
        case Run(seconds):
            return seconds <= 0
        case _:
            return False


async def _connects(probe: Connect) -> bool:
    try:
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(probe.address, probe.port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
