"""Reading the logs of several containers as one, from the engine where they are, else from the archive."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TypeAlias, cast

from spin.model.log import Line, LogSource, Numbers, Position, Span
from spin.model.names import DeploymentKey
from spin.ports.engine import Engine
from spin.ports.logs import LogArchive

Piece: TypeAlias = tuple[LogSource, Sequence[Line]]
"""Some lines of one container."""


class LogReader:
    """The containers of one deployment, those that are gone too."""

    def __init__(self, engine: Engine, archive: LogArchive | None, key: DeploymentKey) -> None:
        self.engine = engine
        self.key = key
        self._archive = archive

    async def sources(self) -> tuple[LogSource, ...]:
        """By time of creation. Of a container that is about to be removed the log may be in both places: the engine's is the whole."""
        kept = () if self._archive is None else await self._archive.sources(self.key)
        live = await self.engine.log_sources(self.key)
        there = {source.id for source in live}
        return (*(source for source in kept if source.id not in there), *live)

    async def read(self, source: LogSource, span: Span) -> AsyncIterator[Sequence[Line]]:
        """What there is of it now, wherever it is: a container may be removed between the look and the reading."""
        found = False
        if not source.removed:
            async with aclosing(_generator(self.engine.log(self.key, source.id, span))) as pieces:
                async for lines in pieces:
                    found = found or bool(lines)
                    if lines:
                        yield lines
        if not found and self._archive is not None:
            async with aclosing(_generator(self._archive.read(self.key, source.id, span))) as pieces:
                async for lines in pieces:
                    yield lines

    async def unread(self, source: LogSource, position: Position) -> AsyncIterator[Sequence[Line]]:
        """What there is after `position`, which moves."""
        numbers = Numbers()
        async with aclosing(_generator(self.read(source, Span(since=position.since())))) as pieces:
            async for lines in pieces:
                new = [line for line in lines if position.passes(line, numbers.of(line))]
                if new:
                    yield new


async def merged(sources: Sequence[tuple[LogSource, AsyncIterator[Sequence[Line]]]]) -> AsyncIterator[Piece]:
    """All their lines by time. One batch of each is held at a time, so the length of the logs costs no memory."""
    async with AsyncExitStack() as stack:
        runs = [_Run(source, await stack.enter_async_context(aclosing(_generator(lines)))) for source, lines in sources]
        heap = [(run.time, number) for number, run in enumerate(runs) if await run.fill()]
        heapq.heapify(heap)
        while heap:
            _, number = heapq.heappop(heap)
            run = runs[number]
            yield run.source, run.take(heap[0][0] if heap else None)
            if await run.fill():
                heapq.heappush(heap, (run.time, number))


class _Run:
    """One container's lines, of which those up to another's next are taken at once."""

    def __init__(self, source: LogSource, lines: AsyncIterator[Sequence[Line]]) -> None:
        self.source = source
        self._lines = lines
        self._batch: Sequence[Line] = ()
        self._at = 0

    @property
    def time(self) -> bytes:
        return self._batch[self._at][0]

    async def fill(self) -> bool:
        """Whether there is a next line."""
        while self._at == len(self._batch):
            batch = await anext(self._lines, None)
            if batch is None:
                return False
            self._batch, self._at = batch, 0
        return True

    def take(self, until: bytes | None) -> Sequence[Line]:
        """At least one line, and all before the time `until` that are at hand."""
        batch, begin = self._batch, self._at
        if until is None:
            end = len(batch)
        else:
            end = begin + 1
            while end < len(batch) and batch[end][0] < until:
                end += 1
        self._at = end
        return batch[begin:end] if begin or end < len(batch) else batch


def _generator(lines: AsyncIterator[Sequence[Line]]) -> _Closable:
    return cast("_Closable", lines)


class _Closable(AsyncIterator[Sequence[Line]]):
    """What engines and archives give: generators, to be closed when nobody reads on."""

    async def aclose(self) -> None: ...
