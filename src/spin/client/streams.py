"""A stream to a container, from the client's side: docs/reference/streams.md.

One thread reads and writes the WebSocket and reads the local input; another writes the local output. So pings are answered also
while nobody reads the output, and what waits in between is no more than the window.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, NoReturn, Self

from websockets.exceptions import ProtocolError
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from spin.errors import Failed, SpinError, Unavailable, from_code
from spin.model.streams import CHUNK, CONTROL_BYTES, STDERR, STDIN, STDOUT, WINDOW, Size

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which there is no wheel
    from websockets.utils import apply_mask

_PIECE = 256 * 1024
_PIPE = 1024 * 1024
"""Bytes: Linux's limit for pipes of users who are not root (/proc/sys/fs/pipe-max-size)."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
_GOODBYE_SECONDS = 2.0
"""How long the other side may take to say goodbye, too."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The other side has begun. `container`: its name; `others`: how many were meant beside it."""

    container: str
    others: int


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command has left."""

    status: int
    stdout: bytes
    stderr: bytes


def check_counts(control: Mapping[str, Any], received: Mapping[int, int], sent: int) -> None:
    """Raises Failed unless as many bytes have arrived, on each side, as the other has sent. `control`: the message of the end."""
    for name, channel in (("stdout", STDOUT), ("stderr", STDERR)):
        if control[name] != received[channel]:
            raise Failed(f"Bytes got lost on the way: {control[name]} were sent on {name}, and {received[channel]} have arrived.")
    if control["stdin"] > sent:
        raise Failed(f"The platform has taken more bytes than were sent: {control['stdin']}, and not {sent}.")


def hear_error(control: Mapping[str, Any]) -> NoReturn:
    """Raises the error that a message tells of; Failed for one of an unknown kind."""
    if control["type"] == "error":
        raise from_code(str(control["code"]), str(control["detail"]), dict(control.get("fields") or {}))
    raise Failed(f"The platform sent a message of a kind that this version does not know: {control['type']}.")


def broken(reason: str) -> SpinError:
    return Unavailable(
        f"The connection to the platform broke off before the end, so something may be missing: {reason or 'it was closed'}."
    )


class Stream:
    """An open WebSocket. Say what is wanted with `begin`, then `carry`. Close it, or use it in a `with` statement.

    Every method raises Unavailable when the connection breaks, and the error of `spin.errors` that the platform tells.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._protocol = Protocol(Side.CLIENT, max_size=CHUNK + CONTROL_BYTES)
        self._parts: list[bytes | bytearray] = []
        self._text = False
        self._messages: deque[str | bytes | bytearray] = deque()
        self._over = False
        self._credit = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._size: Size | None = None
        self._received = {STDOUT: 0, STDERR: 0}
        self._sent = 0
        self._owed = 0
        self._buffer = memoryview(bytearray(CHUNK))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """What runs at the other end is ended, unless it has ended."""
        self._socket.close()
        for end in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(end)

    def begin(self, **wanted: Any) -> Ready:
        """`wanted`: the fields of the first message."""
        self._say("open", window=WINDOW, **wanted)
        while True:
            message = self._next()
            if not isinstance(message, str):
                raise Failed("The platform sent data before it said that it is ready.")
            control = json.loads(message)
            if control["type"] == "ready":
                self._credit = int(control["window"])
                return Ready(str(control.get("container", "")), int(control.get("others", 0)))
            hear_error(control)

    def resize(self, size: Size) -> None:
        """Of the local terminal; may be called from a signal's handler while `carry` runs."""
        self._size = size
        self._wake()

    def carry(self, source: int | None, sinks: Mapping[int, int], *, ended: Callable[[], None] | None = None) -> int:
        """Move the bytes of descriptor `source` to the other side and those of its channels to `sinks`, until the exit status comes.

        `source` None: nothing, and its end is told at once. `ended` is called when there will be no more output. Raises
        BrokenPipeError when nobody reads a sink any more; Failed when bytes got lost on the way.
        """
        _keep_memory()
        writer = _Writer(sinks, self._wake, ended)
        try:
            status = self._carry(source, writer)
            writer.finish()
        finally:
            writer.abandon()
        return status

    def communicate(self, data: bytes = b"") -> Finished:
        """The exit status and all that was put out. `data`: the command's input, where it was begun with `stdin`."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(data)
            given.seek(0)
            status = self.carry(given.fileno() if data else None, {STDOUT: out.fileno(), STDERR: err.fileno()})
            out.seek(0)
            err.seek(0)
            return Finished(status, out.read(), err.read())

    def _carry(self, source: int | None, writer: _Writer) -> int:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        if source is None:
            self._say("end")
        else:
            _widen(source)
        listening = False
        while True:
            while self._messages:
                status = self._hear(self._messages.popleft(), writer)
                if status is not None:
                    return status
            if source is not None and (self._credit > 0) is not listening:
                listening = not listening
                poll.register(source, select.POLLIN) if listening else poll.unregister(source)
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
            ready = {descriptor for descriptor, _ in poll.poll(0 if pending else None)}
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                self._catch_up(writer)
            if source is not None and source in ready and not self._forward(source):
                poll.unregister(source)
                source = None
            if pending or self._socket.fileno() in ready:
                self._receive()

    def _catch_up(self, writer: _Writer) -> None:
        self._owed += writer.written()
        if self._owed >= CHUNK:  # in larger portions: the other side has more left than is held back
            self._say("credit", bytes=self._owed)
            self._owed = 0
        size, self._size = self._size, None
        if size is not None:
            self._say("resize", rows=size.rows, columns=size.columns)

    def _forward(self, source: int) -> bool:
        """One piece of the local input; False at its end."""
        room = min(CHUNK, self._credit)
        try:
            size = os.readv(source, [self._buffer[:room]])
        except OSError:  # a terminal that is gone, a connection that was reset
            size = 0
        if not size:
            self._say("end")
            return False
        self._credit -= size
        self._sent += size
        self._send_data(self._buffer[:size])
        return True

    def _send_data(self, data: memoryview) -> None:
        """A binary message on channel stdin (RFC 6455, 5.2), with one copy of the data: the masked one."""
        mask = os.urandom(4)
        length = len(data) + 1
        size = struct.pack("!BBH", 0x82, 0x80 | 126, length) if length < 65536 else struct.pack("!BBQ", 0x82, 0x80 | 127, length)
        if length < 126:
            size = bytes((0x82, 0x80 | length))
        head = size + mask + bytes((STDIN ^ mask[0],))
        masked = apply_mask(data, mask[1:] + mask[:1])
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.sendall(head + masked)
                return
            sent = self._socket.sendmsg([head, masked])
            if sent < len(head):
                self._socket.sendall(head[sent:])
                sent = len(head)
            if sent < len(head) + len(masked):
                self._socket.sendall(memoryview(masked)[sent - len(head) :])
        except OSError as error:
            self._drain()
            if not self._messages:  # else its last words are heard first
                raise self._broken(error) from None

    def _hear(self, message: str | bytes | bytearray, writer: _Writer) -> int | None:
        """The exit status, if that is what it says."""
        if not isinstance(message, str):
            channel = message[0] if message else -1
            if channel not in self._received:
                raise Failed("The platform sent data on a channel that is not open.")
            self._received[channel] += len(message) - 1
            writer.put(channel, message)
            return None
        control = json.loads(message)
        match control["type"]:
            case "credit":
                self._credit += int(control["bytes"])
            case "end":
                writer.end()
            case "exit":
                check_counts(control, self._received, self._sent)
                return int(control["status"])
            case _:
                hear_error(control)
        return None

    # Below: the WebSocket.

    def _say(self, type: str, **fields: Any) -> None:
        if self._protocol.state is not State.OPEN:
            return  # the other side's goodbye has come along with its last words, which are still to be heard
        self._protocol.send_text(json.dumps({"type": type, **fields}).encode())
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                try:
                    self._socket.sendall(data)
                except OSError as error:
                    # Why the other side has closed may still be there to read.
                    self._drain()
                    raise self._broken(error) from None

    def _next(self) -> str | bytes | bytearray:
        while not self._messages:
            self._receive()
        return self._messages.popleft()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_PIECE)
        except OSError as error:
            raise self._broken(error) from None
        if data:
            self._protocol.receive_data(data)
        elif not self._over:
            self._over = True
            self._protocol.receive_eof()
        if self._protocol.parser_exc is not None and isinstance(self._protocol.parser_exc, ProtocolError):
            raise self._broken(self._protocol.parser_exc)
        closed = not data
        for event in self._protocol.events_received():
            closed |= self._event(event)
        self._flush()  # pongs
        if closed and not self._messages:
            raise self._broken(None)

    def _event(self, frame: Any) -> bool:
        """Whether that was goodbye."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._text, self._parts = frame.opcode is Opcode.TEXT, [frame.data]
        elif frame.opcode is Opcode.CONT:
            self._parts.append(frame.data)
        else:
            return bool(frame.opcode is Opcode.CLOSE)
        if frame.fin:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            self._messages.append(bytes(whole).decode() if self._text else whole)
        return False

    def _drain(self) -> None:
        """An error that the other side told before it closed."""
        with contextlib.suppress(SpinError, OSError, ValueError, KeyError):
            self._socket.settimeout(_GOODBYE_SECONDS)
            while True:
                data = self._socket.recv(_PIECE)
                if not data:
                    break
                self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                self._event(event)
        for message in self._messages:
            if isinstance(message, str) and json.loads(message).get("type") == "error":
                hear_error(json.loads(message))

    def _broken(self, error: Exception | None) -> SpinError:
        closed = self._protocol.close_rcvd
        return broken((closed.reason if closed else "") or str(error or ""))

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake; closed: nobody is there to be woken
            os.write(self._wake_write, b".")


def _keep_memory() -> None:
    """Let the C library keep what was freed. It gives large pieces back to the kernel, which then clears each page anew: with messages
    of this size that is most of what a pipe costs. Where there is no such call (mallopt(3), glibc), nothing is lost but time.
    """
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes  # noqa: PLC0415 - only streams need it

        library = ctypes.CDLL(None)
        for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            library.mallopt(parameter, 2 * WINDOW)


def _widen(descriptor: int) -> None:
    """Let a pipe hold as much as one message: Linux gives 64 KiB unless asked, and what is read at once is what is sent at once."""
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import fcntl  # noqa: PLC0415 - Unix only

        if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < _PIPE:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE)


class _Writer:
    """Writes what arrives to local descriptors, in its order, in a thread of its own."""

    def __init__(self, sinks: Mapping[int, int], wake: Callable[[], None], ended: Callable[[], None] | None) -> None:
        self._sinks = sinks
        self._wake = wake
        self._ended = ended
        self._queue: deque[tuple[int, bytearray | bytes | None]] = deque()
        self._news = threading.Condition()
        self._written = 0
        self._closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def put(self, channel: int, message: bytes | bytearray) -> None:
        """`message` with its first byte, which is the channel."""
        with self._news:
            last = self._queue[-1] if self._queue else (-1, None)
            if last[0] == channel and last[1] is not None and len(last[1]) + len(message) < CHUNK:
                merged = bytearray(last[1])
                merged += memoryview(message)[1:]
                self._queue[-1] = (channel, merged)
            else:
                self._queue.append((channel, message))
            self._news.notify()

    def end(self) -> None:
        with self._news:
            self._queue.append((-1, None))
            self._news.notify()

    def written(self) -> int:
        """Bytes that were written since this was asked last. Raises what went wrong with writing."""
        with self._news:
            if self._error is not None:
                raise self._error
            count, self._written = self._written, 0
            return count

    def finish(self) -> None:
        """Wait until all is written."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Let the thread end when it can; it may be stuck with a reader that does not read."""
        with self._news:
            self._closing = True
            self._queue.clear()
            self._news.notify()

    def _run(self) -> None:
        try:
            while True:
                with self._news:
                    while not self._queue:
                        if self._closing:
                            return
                        self._news.wait()
                    channel, data = self._queue.popleft()
                if data is None:
                    if self._ended is not None:
                        self._ended()
                    continue
                _write(self._sinks[channel], memoryview(data)[1:])
                with self._news:
                    self._written += len(data) - 1
                self._wake()
        except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody hears it
            with self._news:
                self._error = error
            self._wake()


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody else has made it so
            select.select([], [descriptor], [])
