"""The engine's multiplexed stream: stdout and stderr of a container over one connection. Pure.

Each frame: one byte for the stream (1 stdout, 2 stderr), three zero bytes, the length as four bytes big-endian, then that many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">BxxxL")
STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}


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
