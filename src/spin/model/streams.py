"""What travels between a program here and one in a container: the words that client, API and engines share.

The protocol is described in docs/reference/streams.md.
"""

from __future__ import annotations

from dataclasses import dataclass

SUBPROTOCOL = "spin.streams.v1"
"""Name of the WebSocket subprotocol; another number is another protocol."""

STDIN, STDOUT, STDERR = 0, 1, 2
"""Channels: the first byte of each binary message."""

WINDOW = 2 * 1024 * 1024
"""Bytes of data that may be under way in one direction before the other side has taken any: what a stream costs in memory."""
CHUNK = 256 * 1024
"""Most bytes of data in one message."""
CONTROL_BYTES = 256 * 1024
"""Most bytes of a control message: Linux takes 128 KiB in one argument."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Command:
    """What is to run in a container, and how it is attached."""

    argv: tuple[str, ...]
    tty: bool = False
    """It gets a terminal: one stream in, one out."""
    stdin: bool = False
    """Its standard input is attached; else it has none."""
    user: str | None = None
    """None: the container's own."""
    workdir: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    """Added to the container's."""
    size: Size | None = None
    """Of the terminal at the beginning."""


@dataclass(frozen=True, slots=True)
class FileStat:
    """A file in a container."""

    name: str
    size: int
    mode: int
    """Permission bits as Unix has them."""
    kind: str
    """`file`, `directory`, `link` or `other`."""
    target: str = ""
    """Where a link leads."""
