"""A stream to a container for asyncio: docs/reference/streams.md.

What waits in between is no more than the window, so pings are answered also while nobody takes the output.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from spin.client.streams import Finished, Ready, broken, check_counts, hear_error
from spin.errors import Failed
from spin.model.streams import CHUNK, STDERR, STDIN, STDOUT, WINDOW, Size

Source: TypeAlias = asyncio.StreamReader | AsyncIterable[bytes] | bytes | None
"""What the other side gets as its input; None: nothing, and its end is told at once."""
Sink: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes a piece of what comes; the other side waits where it takes long."""


class AsyncStream:
    """An open WebSocket. Say what is wanted with `begin`, then `carry`, or `communicate`. Close it, or use it in an `async with` statement.

    Every method raises Unavailable when the connection breaks, and the error of `spin.errors` that the platform tells. For one task,
    but for `resize`.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._credit = 0
        self._more = asyncio.Event()
        self._received = {STDOUT: 0, STDERR: 0}
        self._sent = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """What runs at the other end is ended, unless it has ended."""
        await self._connection.close()

    async def begin(self, **wanted: Any) -> Ready:
        """`wanted`: the fields of the first message."""
        await self._say("open", window=WINDOW, **wanted)
        message = await self._next()
        if not isinstance(message, str):
            raise Failed("The platform sent data before it said that it is ready.")
        control = json.loads(message)
        if control["type"] != "ready":
            hear_error(control)
        self._credit = int(control["window"])
        return Ready(str(control.get("container", "")), int(control.get("others", 0)))

    async def resize(self, size: Size) -> None:
        """Of the terminal that the command has; may be called while `carry` runs."""
        await self._say("resize", rows=size.rows, columns=size.columns)

    async def carry(self, source: Source, sinks: Mapping[int, Sink], *, ended: Callable[[], None] | None = None) -> int:
        """Move `source` to the other side and what comes on its channels to `sinks`, until the exit status comes.

        `ended` is called when there will be no more output. Raises Failed when bytes got lost on the way, and what a sink or the source
        raises.
        """
        arrived: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()  # bounded by the window
        try:
            async with asyncio.TaskGroup() as tasks:
                feeding = tasks.create_task(self._feed(source), name="input")
                writing = tasks.create_task(self._write(arrived, sinks, ended), name="output")
                control = await self._hear(arrived)
                feeding.cancel()
                arrived.put_nowait(None)
                await writing
        except BaseExceptionGroup as group:
            raise _first(group) from None
        check_counts(control, self._received, self._sent)
        return int(control["status"])

    async def communicate(self, data: bytes = b"") -> Finished:
        """The exit status and all that was put out, in memory. `data`: the command's input, where it was begun with `stdin`."""
        found: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}

        def sink(pieces: list[bytes]) -> Sink:
            async def take(piece: bytes) -> None:
                pieces.append(piece)

            return take

        status = await self.carry(data or None, {channel: sink(pieces) for channel, pieces in found.items()})
        return Finished(status, b"".join(found[STDOUT]), b"".join(found[STDERR]))

    # Below: one task each.

    async def _feed(self, source: Source) -> None:
        try:
            async for piece in _pieces(source):
                view = memoryview(piece)
                while view:
                    while self._credit <= 0:
                        self._more.clear()
                        await self._more.wait()
                    part = view[: min(CHUNK, self._credit)]
                    view = view[len(part) :]
                    self._credit -= len(part)
                    self._sent += len(part)
                    await self._connection.send(bytes((STDIN,)) + part)
            await self._say("end")
        except ConnectionClosed:
            pass  # who listens hears why

    async def _write(
        self, arrived: asyncio.Queue[tuple[int, bytes] | None], sinks: Mapping[int, Sink], ended: Callable[[], None] | None
    ) -> None:
        owed = 0
        while (item := await arrived.get()) is not None:
            channel, data = item
            if channel < 0:
                if ended is not None:
                    ended()
                continue
            await sinks[channel](data)
            owed += len(data)
            if owed >= CHUNK:  # in larger portions: the other side has more left than is held back
                with suppress(ConnectionClosed):  # who listens hears why
                    await self._say("credit", bytes=owed)
                owed = 0

    async def _hear(self, arrived: asyncio.Queue[tuple[int, bytes] | None]) -> Mapping[str, Any]:
        """Until the message with the exit status, which is returned."""
        while True:
            message = await self._next()
            if not isinstance(message, str):
                channel = message[0] if message else -1
                if channel not in self._received:
                    raise Failed("The platform sent data on a channel that is not open.")
                self._received[channel] += len(message) - 1
                arrived.put_nowait((channel, message[1:]))
                continue
            control = json.loads(message)
            match control["type"]:
                case "credit":
                    self._credit += int(control["bytes"])
                    self._more.set()
                case "end":
                    arrived.put_nowait((-1, b""))
                case "exit":
                    found: Mapping[str, Any] = control
                    return found
                case _:
                    hear_error(control)

    async def _say(self, type: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": type, **fields}))

    async def _next(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise broken((closed.rcvd.reason if closed.rcvd else "") or str(closed.__cause__ or "")) from None


async def _pieces(source: Source) -> AsyncIterator[bytes]:
    if isinstance(source, asyncio.StreamReader):
        while piece := await source.read(CHUNK):
            yield piece
    elif isinstance(source, bytes):
        yield source
    elif source is not None:
        async for piece in source:
            yield piece


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
