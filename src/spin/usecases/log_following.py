"""Following the logs of a stack through restarts, upgrades and scaling: every line once, none lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Any

from spin.model.log import Cursor, Line, LogSource, Numbers, Position, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.usecases.log_hub import Gap, Hubs
from spin.usecases.log_reading import LogReader, Piece, merged

WINDOW = 0.1
"""Seconds in which lines of several containers are gathered, so that they come by time."""
LOOK_EVERY = 5.0
"""Seconds between two looks for containers, whatever the engine's events say."""
ASK_EVERY = 30.0
"""Seconds between two looks whether the follower still may."""
_WINDOW = 100
"""Lines by whose sequence a place in a log is found again."""
QUIET = 10.0
"""Seconds without a line after which an empty piece says that the following goes on."""
ROOM = 1024 * 1024
"""Bytes of lines that wait for the client; then containers wait, too."""


class Following:
    """`wanted` tells which containers, `removed` whether those that were gone at the beginning, too; `may` raises when the follower may no
    longer, and says whether there is a stack at all.
    """

    def __init__(
        self,
        reader: LogReader,
        hubs: Hubs,
        wanted: Callable[[LogSource], bool],
        may: Callable[[], Awaitable[bool]],
        cursor: Cursor,
        tail: int | None,
        *,
        resumed: bool,
        removed: bool = False,
    ) -> None:
        self._reader = reader
        self._hubs = hubs
        self._wanted = wanted
        self._may = may
        self._cursor = cursor
        self._tail = tail
        self._resumed = resumed
        self._removed = removed
        self._tended: dict[InstanceId, asyncio.Event] = {}
        self._now: dict[InstanceId, LogSource] = {}
        self._ready: list[tuple[LogSource, Line]] = []
        self._size = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._look = asyncio.Event()
        self._over = False

    async def pieces(self) -> AsyncIterator[Piece | None]:
        """For ever, until the stack is gone; None now and then where nothing is written."""
        positions: dict[InstanceId, Position] = {}
        known = await self._sources()
        first = [s for s in known if self._resumed or self._removed or not s.removed]
        history = [(s, self._history(s, positions.setdefault(s.id, self._begin(s)))) for s in first]
        async with aclosing(_closable(merged(history))) as pieces:
            async for piece in pieces:
                yield piece
        async with self._hubs.watch(self._reader.engine, self._poke):
            work = asyncio.create_task(self._supervise(positions, {s.id for s in known if s.removed}), name="following")
            try:
                async for piece in self._gathered(work):
                    yield piece
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    def _begin(self, source: LogSource) -> Position:
        """Whoever comes back has been told of what was gone already; or had not asked."""
        return self._cursor.position(source) if self._resumed else Position(self._cursor.floor)

    async def _history(self, source: LogSource, position: Position) -> AsyncIterator[Sequence[Line]]:
        if self._tail is None or self._resumed:
            async for lines in self._reader.unread(source, position):
                yield lines
            return
        given, last = 0, deque[Line](maxlen=_WINDOW)
        begun = position.floor
        position.floor = self._cursor.begun
        async with aclosing(_closable(self._reader.read(source, Span(since=begun, tail=self._tail)))) as pieces:
            async for lines in pieces:
                if lines and not given:
                    position.floor = lines[0][0]
                after = [line for line in lines if position.floor is None or line[0] >= position.floor]
                given += len(after)
                last.extend(after)
                if lines:
                    yield lines
        if given:
            await self._pass(source, position, given, last)

    async def _pass(self, source: LogSource, position: Position, given: int, last: deque[Line]) -> None:
        """Move `position` over what a count of last lines has given, and over what it has left out: lines of the other stream that stand
        before them with a later time, and those of one and the same time. So the log is read once more, from the first of them on,
        up to where the last of them stand.
        """
        numbers, seen = Numbers(), 0
        window = deque[Line](maxlen=len(last))
        async with aclosing(_closable(self._reader.read(source, Span(since=position.floor)))) as pieces:
            async for lines in pieces:
                for line in lines:
                    position.passes(line, numbers.of(line))
                    seen += 1
                    window.append(line)
                    if seen >= given and window == last:
                        return

    def _poke(self, key: DeploymentKey) -> None:
        if key == self._reader.key:
            self._look.set()

    async def _sources(self) -> list[LogSource]:
        return [s for s in await self._reader.sources() if self._wanted(s)]

    async def _supervise(self, positions: dict[InstanceId, Position], passed: set[InstanceId]) -> None:
        """Attach to containers as they come, and end when there is nothing left that could write."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        poked = True
        under_way: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._look.clear()
                found = await self._sources()
                before, self._now = self._now, {s.id: s for s in found}
                for source in found:
                    if source.id not in self._tended and source.id not in passed:
                        self._tended[source.id] = asyncio.Event()
                        position = positions.setdefault(source.id, Position(self._cursor.floor))
                        under_way.append(tasks.create_task(self._tend(source, position), name=f"following {source.instance}"))
                for name, event in self._tended.items():
                    if poked or before.get(name) != self._now.get(name):
                        event.set()
                live = any(not s.removed for s in found)
                if not live or loop.time() - asked >= ASK_EVERY:
                    asked = loop.time()
                    over = not await self._may() and not live
                    under_way = [task for task in under_way if not task.done()]
                    if over and not under_way:
                        return
                try:
                    async with asyncio.timeout(LOOK_EVERY if live else WINDOW):
                        await self._look.wait()
                    poked = True
                except TimeoutError:
                    poked = False

    async def _tend(self, source: LogSource, position: Position) -> None:
        """One container, from `position` until it is gone."""
        looked = self._tended[source.id]
        while True:
            looked.clear()  # before what it tells of is read, or a look in between would be missed
            now = self._now.get(source.id)
            if now is not None and now.running:
                await self._attached(now, position)
                await asyncio.sleep(WINDOW)  # the engine ends the stream a moment before it says that the container has ended
                looked.clear()
                self._look.set()  # is it gone, or about to be started again?
                await looked.wait()
                continue
            await self._catch_up(now or source, position)
            if now is None or now.removed:
                return
            await looked.wait()

    async def _attached(self, source: LogSource, position: Position) -> None:
        async with self._hubs.follow(self._reader.engine, self._reader.key, source, position) as subscription:
            if subscription.joined:
                await self._catch_up(source, position)
            while True:
                match await subscription.take():
                    case Gap.BEHIND:
                        await self._catch_up(source, position)
                    case Gap.ENDED:
                        break
                    case list() as numbered:
                        await self._put(source, [line for line, number in numbered if position.passes(line, number)])
        await self._catch_up(source, position)

    async def _catch_up(self, source: LogSource, position: Position) -> None:
        async for lines in self._reader.unread(source, position):
            await self._put(source, lines)

    async def _put(self, source: LogSource, lines: Sequence[Line]) -> None:
        while self._size > ROOM:
            self._room.clear()
            await self._room.wait()
        self._ready += [(source, line) for line in lines]
        self._size += sum(len(text) for _, _, text in lines) + 100 * len(lines)
        self._news.set()

    async def _gathered(self, work: asyncio.Task[None]) -> AsyncIterator[Piece | None]:
        work.add_done_callback(lambda _: self._news.set())
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    await self._news.wait()
            except TimeoutError:
                yield None
                continue
            if len(self._tended) > 1 and not work.done():
                await asyncio.sleep(WINDOW)
            self._news.clear()
            ready, self._ready, self._size = self._ready, [], 0
            self._room.set()
            ready.sort(key=lambda one: one[1][0])
            for source, group in groupby(ready, key=lambda one: one[0]):
                yield source, [line for _, line in group]
            if work.done() and not self._ready:
                _raise(work)
                return
            if work.done():
                self._news.set()


def _raise(work: asyncio.Task[None]) -> None:
    """What has ended the following, alone."""
    error = None if work.cancelled() else work.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is not None:
        raise error


def _closable(pieces: AsyncIterator[Any]) -> Any:
    return pieces
