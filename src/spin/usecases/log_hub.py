"""One stream of the engine for each container that is followed, whoever follows it.

A follower that does not keep up holds up nobody: its share is dropped when it grows, and it is told to read for itself from where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

from spin.errors import SpinError
from spin.model.log import Line, LogSource, Numbers, Position, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.ports.engine import Engine

SHARE = 256 * 1024
"""Bytes of text that wait for one follower of one container."""
AGAIN = 1.0
"""Seconds until the engine's events are listened to again after they have broken off."""

Numbered = list[tuple[Line, int]]
"""Lines, each with its number among those of the same time and stream."""


class Gap(Enum):
    """Instead of lines."""

    BEHIND = "behind"
    """Lines were dropped: read for yourself."""
    ENDED = "ended"
    """The container has ended, or is gone."""


class Subscription:
    def __init__(self, *, joined: bool) -> None:
        self.joined = joined
        """Others follow already: what came before has to be read."""
        self._waiting: Numbered = []
        self._size = 0
        self._gap: Gap | None = None
        self._error: SpinError | None = None
        self._wake = asyncio.Event()

    async def take(self) -> Numbered | Gap:
        """What has come, at least a line; or a gap. Raises what has ended the engine's stream."""
        await self._wake.wait()
        if self._gap is Gap.BEHIND:
            self._gap = None
            self._forget()
            return Gap.BEHIND
        if self._waiting:
            found = self._waiting
            self._forget()
            return found
        if self._error is not None:
            raise self._error
        return Gap.ENDED

    def _forget(self) -> None:
        self._waiting, self._size = [], 0
        if self._error is None and self._gap is None:
            self._wake.clear()

    def offer(self, lines: Numbered, size: int) -> None:
        if self._gap is Gap.BEHIND:
            return
        self._size += size
        if self._size > SHARE and self._waiting:
            self._waiting, self._gap = [], Gap.BEHIND
        else:
            self._waiting = self._waiting + lines if self._waiting else lines
        self._wake.set()

    def end(self, error: SpinError | None) -> None:
        self._error = error
        if self._gap is None and error is None:
            self._gap = Gap.ENDED
        self._wake.set()


class _Stream:
    """The engine's stream of one container, and who follows it."""

    def __init__(self) -> None:
        self.followers: set[Subscription] = set()
        self.task: asyncio.Task[None] | None = None

    async def run(self, engine: Engine, key: DeploymentKey, id: InstanceId, position: Position) -> None:
        """From `position` on: what of it has been there before is nothing new to who has begun this stream, and numbered all the same."""
        numbers = Numbers()
        error: SpinError | None = None
        try:
            async for lines in engine.log(key, id, Span(since=position.since(), follow=True)):
                if lines:
                    numbered = [(line, numbers.of(line)) for line in lines]
                    size = sum(len(line[2]) for line in lines) + 100 * len(lines)
                    for follower in tuple(self.followers):
                        follower.offer(numbered, size)
        except SpinError as failed:
            error = failed
        finally:
            for follower in tuple(self.followers):
                follower.end(error)
            self.followers = set()


class Hubs:
    """All that is followed in this process. Lives in one event loop."""

    def __init__(self) -> None:
        self._streams: dict[tuple[DeploymentKey, InstanceId], _Stream] = {}
        self._watches: dict[int, tuple[asyncio.Task[None], set[Callable[[DeploymentKey], None]]]] = {}

    @property
    def streams(self) -> int:
        """Of the engine's, open now."""
        return len(self._streams)

    @property
    def followers(self) -> int:
        return sum(len(stream.followers) for stream in self._streams.values())

    @asynccontextmanager
    async def follow(
        self, engine: Engine, key: DeploymentKey, source: LogSource, position: Position
    ) -> AsyncIterator[Subscription]:
        """What the container writes after `position`, within the block; with `joined`, only what it writes from now on."""
        name = (key, source.id)
        stream = self._streams.get(name)
        joined = stream is not None and stream.task is not None and not stream.task.done() and bool(stream.followers)
        if stream is None or not joined:
            stream = self._streams[name] = _Stream()
            stream.task = asyncio.create_task(stream.run(engine, key, source.id, position), name=f"log of {source.instance}")
        subscription = Subscription(joined=joined)
        stream.followers.add(subscription)
        try:
            yield subscription
        finally:
            stream.followers.discard(subscription)
            if not stream.followers:
                if self._streams.get(name) is stream:
                    del self._streams[name]
                await _cancelled(stream.task)

    @asynccontextmanager
    async def watch(self, engine: Engine, poke: Callable[[DeploymentKey], None]) -> AsyncIterator[None]:
        """Within the block `poke` is called with deployments of which the engine has news; one listener for all."""
        found = self._watches.get(id(engine))
        if found is None:
            listeners: set[Callable[[DeploymentKey], None]] = set()
            found = self._watches[id(engine)] = (asyncio.create_task(_listen(engine, listeners), name="log hints"), listeners)
        task, listeners = found
        listeners.add(poke)
        try:
            yield
        finally:
            listeners.discard(poke)
            if not listeners:
                self._watches.pop(id(engine), None)
                await _cancelled(task)


async def _listen(engine: Engine, listeners: set[Callable[[DeploymentKey], None]]) -> None:
    while True:
        try:
            async for key in engine.hints():
                for listener in tuple(listeners):
                    listener(key)
        except SpinError:
            pass
        await asyncio.sleep(AGAIN)


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
