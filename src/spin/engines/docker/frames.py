"""The engine's multiplexed stream: stdout and stderr of a container over one connection. Pure.

Each frame: one byte for the stream (1 stdout, 2 stderr), three zero bytes, the length as four bytes big-endian, then that many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">BxxxL")
STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}


class Terminal:
    """Cuts the stream of a container with a terminal, which has no frames and stdout alone, into lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The lines that are complete now, with their ends. A longer piece than a frame would be is given as it is."""
        self._rest += data
        while (end := self._rest.find(b"\n") + 1) > 0:
            line = bytes(self._rest[:end])
            del self._rest[:end]
            yield STREAMS[1], line


class Frames:
    """Cuts a stream of bytes, arriving in any pieces, into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The frames that are complete now, each with its stream's name."""
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            stream, length = _HEADER.unpack_from(self._rest)
            end = _HEADER.size + length
            if len(self._rest) < end:
                return
            content = bytes(self._rest[_HEADER.size : end])
            del self._rest[:end]
            yield STREAMS.get(stream, "stdout"), content
