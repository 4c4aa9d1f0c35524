"""Visitors of a web server, as little of a client as will do: HTTP/1.1 with one request at a time on a connection, and WebSockets.

Nothing is tried again. What went wrong is said in a few words, the same ones each time, so that it can be counted.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import select
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast


class Failed(Exception):
    """A request that did not get a whole answer; the message is the reason."""


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What an operating system says of a connection, as Failed."""
    try:
        yield
    except ConnectionRefusedError:
        raise Failed("refused") from None
    except ConnectionResetError:
        raise Failed("reset") from None
    except OSError as error:
        raise Failed(error.strerror or type(error).__name__) from None


@dataclass(slots=True)
class Answer:
    """A whole answer; or, to a WebSocket's first request, its head."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


class Connection(asyncio.Protocol):
    """A connection, for one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.loop = asyncio.get_running_loop()
        self.open = False
        self.reusable = True
        self.waiting: asyncio.Future[Answer] | None = None
        self.received = bytearray()
        self.head: Answer | None = None
        self.messages: Callable[[bytearray], None] | None = None
        """After an upgrade to a WebSocket: takes what came, and removes what it has understood."""
        self.lost: Callable[[], None] | None = None

    # ---- what the loop calls -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one without being its child
        self.open = True

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.messages is not None:
            self.messages(self.received)
        elif self.waiting is not None:
            self._read()
        else:
            self.close()  # an answer that nobody has asked for, such as nginx's 408

    def eof_received(self) -> None:
        self._end("closed before the answer was whole")

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._end("reset" if error is not None else "closed before the answer was whole")

    # ---- requests ------------------------------------------------------------------------------------------------------------

    def quiet(self) -> bool:
        """Whether the server has neither said anything nor closed: what every client asks before it uses a connection again."""
        if not self.open:
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send it. The future has the answer, or Failed."""
        self.waiting = self.loop.create_future()
        self.head = None
        self.transport.write(request)
        return self.waiting

    def close(self) -> None:
        self.open = False
        self.transport.close()

    def _end(self, reason: str) -> None:
        self.open = False
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            if not waiting.done():
                waiting.set_exception(Failed(reason if self.received or self.head else f"{reason}: not a byte"))
        if self.lost is not None:
            self.lost()
            self.lost = None

    def _read(self) -> None:
        """Complete the answer, if it has all come."""
        if self.head is None:
            head, mark, rest = self.received.partition(b"\r\n\r\n")
            if not mark:
                return
            self.head = parse(head)
            self.received = rest
        head_ = self.head
        if head_.status == 101:
            self._answer()
        elif head_.header("transfer-encoding") == "chunked":
            if (body := unchunked(self.received)) is not None:
                head_.body = body
                self.received.clear()
                self._answer()
        else:
            length = int(head_.header("content-length") or 0)
            if len(self.received) >= length:
                head_.body = bytes(self.received[:length])
                del self.received[:length]
                self._answer()

    def _answer(self) -> None:
        waiting, self.waiting = self.waiting, None
        assert self.head is not None
        if self.received or self.head.header("connection").lower() == "close":
            self.reusable = False
        if waiting is not None and not waiting.done():
            waiting.set_result(self.head)


def parse(head: bytearray) -> Answer:
    first, *lines = bytes(head).decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Answer(int(first.split(" ", 2)[1]), headers)


def unchunked(data: bytearray) -> bytes | None:
    """The body that is in chunks; None while the last one has not come."""
    if not data.endswith(b"0\r\n\r\n"):
        return None
    body = bytearray()
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(bytes(data[at:end]).split(b";")[0], 16)
        if size == 0:
            return bytes(body)
        if end + 2 + size + 2 > len(data):
            return None
        body += data[end + 2 : end + 2 + size]
        at = end + 2 + size + 2


# ---- WebSockets ----------------------------------------------------------------------------------------------------------------


class Socket:
    """A WebSocket that is open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended = ""
        """How the other side ended it: the number of its close frame, or `cut` where none came. Empty as long as it did not."""
        self.said: asyncio.Queue[str] = asyncio.Queue()
        connection.messages = self._take
        connection.lost = lambda: self._end("cut")
        if not connection.open:
            self._end("cut")
        self._take(connection.received)

    async def hear(self, seconds: float) -> str | None:
        """The next message, waited for so long at most. None where there was none, or the WebSocket has ended."""
        try:
            async with asyncio.timeout(seconds):
                return await self.said.get() or None
        except TimeoutError:
            return None

    def say(self, text: str) -> None:
        self.connection.transport.write(frame(1, text.encode()))

    def close(self) -> None:
        """End it as a visitor does who has seen enough."""
        self.connection.lost = None
        self.connection.transport.write(frame(8, struct.pack("!H", 1000)))
        self.connection.close()

    def _take(self, data: bytearray) -> None:
        while len(data) >= 2:
            size, start = data[1] & 0x7F, 2
            if size == 126:
                size, start = struct.unpack_from("!H", data, 2)[0], 4
            if len(data) < start + size:
                return
            kind, payload = data[0] & 0x0F, bytes(data[start : start + size])
            del data[: start + size]
            if kind == 8:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                self._end(str(code))
                self.connection.transport.write(frame(8, payload[:2]))
                self.connection.close()
                return
            if kind == 9:
                self.connection.transport.write(frame(10, payload))
            elif kind == 1:
                self.said.put_nowait(payload.decode())

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            self.said.put_nowait("")


def frame(kind: int, payload: bytes) -> bytes:
    """A frame as clients send them, masked; of less than 126 bytes."""
    mask = os.urandom(4)
    return bytes([0x80 | kind, 0x80 | len(payload)]) + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(payload))


def socket_request(host: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()
