"""A command's streams on a hijacked connection: what `exec` and one-off containers have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from spin.engines.docker.reasons import sentence
from spin.engines.docker.wire import Demultiplexer, Wire
from spin.model.streams import STDERR, STDOUT, Size

_NOT_BEGUN = b"OCI runtime exec failed: "


class Attached:
    """Implements `spin.ports.streams.Stream`. `status` waits for the end and tells the exit status; `resize` sets the terminal's."""

    def __init__(
        self,
        wire: Wire,
        *,
        tty: bool,
        status: Callable[[], Awaitable[int]],
        resize: Callable[[Size], Awaitable[None]],
    ) -> None:
        self._wire = wire
        self._frames = None if tty else Demultiplexer()
        self._ready: deque[tuple[int, bytes]] = deque()
        self._status = status
        self._resize = resize
        self._writable = True
        self._first = True
        self.ended = False
        """The exit status is known: nothing of it runs any more."""

    async def read(self) -> tuple[int, bytes] | None:
        while not self._ready:
            piece = await self._wire.receive()
            if not piece:
                return None
            self._ready.extend([(STDOUT, piece)] if self._frames is None else self._frames.feed(piece))
            if self._first and self._ready:
                self._first = False
                self._ready[0] = self._told(*self._ready[0])
        return self._ready.popleft()

    def _told(self, channel: int, data: bytes) -> tuple[int, bytes]:
        """The engine writes why a command cannot begin to the command's own output."""
        if not data.startswith(_NOT_BEGUN):
            return channel, data
        reason = sentence(data.decode(errors="replace").strip())
        return (STDOUT if self._frames is None else STDERR), f"{reason}\r\n".encode()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        self._writable = self._writable and await self._wire.send(data)

    async def end(self) -> None:
        self._wire.end()

    async def resize(self, size: Size) -> None:
        if self._frames is None:
            await self._resize(size)

    async def wait(self) -> int:
        status = await self._status()
        self.ended = True
        return status
