"""One WebSocket as a stream with channels, windows and a proper end: the server's side of docs/reference/streams.md.

Each direction has a window: who sends stops when that many bytes have not been taken yet. So this side always reads what comes, and
answers pings, also while a command does not read its input; and nothing grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from spin.errors import Failed, InvalidInput, SpinError
from spin.model.streams import CHUNK, CONTROL_BYTES, STDERR, STDIN, STDOUT, SUBPROTOCOL, WINDOW, Size
from spin.ports.streams import Stream

OPENING_SECONDS = 30.0
"""Within which a client says what it wants."""
SMALLEST_WINDOW = 4096
LARGEST_SIZE = 10_000
"""Rows or columns of a terminal."""


class Gone(Exception):
    """The client is not there any more."""


class Channel:
    """One accepted WebSocket."""

    def __init__(self, socket: WebSocket, now: Callable[[], float]) -> None:
        self._socket = socket
        self._now = now
        self._input = bytearray()
        self._ended = False
        self._more = asyncio.Event()
        self._credit = 0
        self._granted = asyncio.Event()
        self._sizes: asyncio.Queue[Size] = asyncio.Queue(1)
        self._sent = {STDOUT: 0, STDERR: 0}
        self._taken = 0
        self.moved = now()
        """When something moved last."""

    @classmethod
    async def accept(cls, socket: WebSocket) -> Channel:
        """Raises InvalidInput for a client that speaks another protocol, before accepting."""
        if SUBPROTOCOL not in socket.scope["subprotocols"]:
            raise InvalidInput(
                f"This is a WebSocket of the protocol {SUBPROTOCOL}: use the spin command of this platform's version."
            )
        await socket.accept(subprotocol=SUBPROTOCOL)
        return cls(socket, asyncio.get_running_loop().time)

    async def opening(self) -> dict[str, Any]:
        """The client's first message: what it wants. Raises InvalidInput, and Gone."""
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                opening = await self._control()
        except TimeoutError:
            raise InvalidInput(f"Nothing was asked for within {OPENING_SECONDS:.0f} seconds.") from None
        self._credit = _number(opening, "window", most=2**40)
        if opening.get("type") != "open" or self._credit < SMALLEST_WINDOW:
            raise InvalidInput(f"The first message opens the stream, with a window of at least {SMALLEST_WINDOW} bytes.")
        return opening

    async def say(self, type: str, **fields: Any) -> None:
        """A control message."""
        with _gone():
            await self._socket.send_text(json.dumps({"type": type, **fields}))

    async def fail(self, error: SpinError) -> None:
        """Tell why it ends, and end it."""
        with contextlib.suppress(Gone):
            await self.say("error", code=error.code, detail=error.message, fields=error.fields)
            await self.close()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await self._socket.close(code, reason)

    async def carry(self, stream: Stream, **ready: Any) -> None:
        """Move everything both ways until the stream has ended, and tell its exit status. Raises Gone when the client leaves before."""
        await self.say("ready", window=WINDOW, **ready)
        tasks = [
            asyncio.create_task(work) for work in (self._receive(), self._feed(stream), self._resize(stream), self._send(stream))
        ]
        receiving, *_, sending = tasks
        try:
            pending: set[asyncio.Task[None]] = set(tasks)
            while not sending.done() and not receiving.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # One task each.

    async def _receive(self) -> None:
        while True:
            with _gone():
                message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise Gone
            data = message.get("bytes")
            if data is not None:
                self._take(data)
            else:
                self._hear(_parsed(message.get("text") or ""))

    def _take(self, data: bytes) -> None:
        if not data or data[0] != STDIN or self._ended:
            raise InvalidInput("Data on a channel that is not open.")
        if len(data) - 1 > CHUNK or len(self._input) + len(data) - 1 > WINDOW:
            raise InvalidInput("More data than the window has room for.")
        self._input += memoryview(data)[1:]
        self.moved = self._now()
        self._more.set()

    def _hear(self, control: dict[str, Any]) -> None:
        match control.get("type"):
            case "credit":
                self._credit += _number(control, "bytes", most=2**40)
                self._granted.set()
            case "end":
                self._ended = True
                self._more.set()
            case "resize":
                if self._sizes.full():
                    self._sizes.get_nowait()
                self._sizes.put_nowait(size_of(control))
                self.moved = self._now()
            case kind:
                raise InvalidInput(f"There is no message {kind!r}.")

    async def _feed(self, stream: Stream) -> None:
        """What has come in goes on as fast as it is taken. Credit comes in portions: the client has more left than is held back."""
        owed = 0
        while True:
            await self._more.wait()
            self._more.clear()
            while self._input:
                data, self._input = self._input, bytearray()
                await stream.write(data)
                self._taken += len(data)
                self.moved = self._now()
                owed += len(data)
                if owed >= CHUNK:
                    await self.say("credit", bytes=owed)
                    owed = 0
            if self._ended:
                await stream.end()
                return

    async def _resize(self, stream: Stream) -> None:
        while True:
            await stream.resize(await self._sizes.get())

    async def _send(self, stream: Stream) -> None:
        while (piece := await stream.read()) is not None:
            channel, data = piece
            at = 0
            while at < len(data):
                size = min(len(data) - at, await self._room(), CHUNK)
                part = data if size == len(data) else data[at : at + size]
                with _gone():
                    await self._socket.send_bytes(b"".join((_PREFIX[channel], part)))
                at += size
                self._credit -= size
                self._sent[channel] += size
                self.moved = self._now()
        await self.say("end")
        status = await stream.wait()
        await self.say("exit", status=status, stdout=self._sent[STDOUT], stderr=self._sent[STDERR], stdin=self._taken)

    async def _room(self) -> int:
        while self._credit <= 0:
            self._granted.clear()
            await self._granted.wait()
        return self._credit

    async def _control(self) -> dict[str, Any]:
        with _gone():
            message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        return _parsed(message.get("text") or "")


_PREFIX = {STDOUT: bytes([STDOUT]), STDERR: bytes([STDERR])}


def size_of(control: dict[str, Any]) -> Size:
    """Raises InvalidInput."""
    return Size(_number(control, "rows", most=LARGEST_SIZE), _number(control, "columns", most=LARGEST_SIZE))


def _number(control: dict[str, Any], name: str, *, most: int) -> int:
    value = control.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidInput(f"{name}: a number from 0 to {most}.")
    return value


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > CONTROL_BYTES:
        raise InvalidInput("The control message is too long.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput("A control message is a JSON object.")
    return found


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    """What the server raises when the client has left."""
    try:
        yield
    except (WebSocketDisconnect, RuntimeError, OSError) as error:
        raise Gone from error


async def watched(channel: Channel, carrying: Coroutine[Any, Any, None], *, idle: float, longest: float) -> None:
    """`carrying`, ended with Failed when nothing has moved for `idle` seconds, or after `longest` seconds; 0: no such limit."""
    begun = asyncio.get_running_loop().time()
    task = asyncio.create_task(carrying)
    try:
        while True:
            now = asyncio.get_running_loop().time()
            idle_left = channel.moved + idle - now if idle else float("inf")
            time_left = begun + longest - now if longest else float("inf")
            if idle_left <= 0:
                raise Failed(f"Ended: nothing has moved for {idle:.0f} seconds (the site's limit).")
            if time_left <= 0:
                raise Failed(f"Ended: it has taken longer than the site's limit of {longest:.0f} seconds.")
            left = min(idle_left, time_left)
            done, _ = await asyncio.wait({task}, timeout=None if left == float("inf") else left)
            if done:
                task.result()
                return
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
