"""Lines of containers' logs, and how far a log has been read. Pure.

Lines are bytes, as containers wrote them. Their times are text of one fixed width (RFC 3339 with nanoseconds, UTC), so that they are
compared as they stand and nothing is lost of what an engine says.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TypeAlias

from spin.errors import InvalidInput
from spin.model.names import InstanceId
from spin.model.streams import STDERR, STDOUT

Time: TypeAlias = bytes
"""Such as `2026-01-31T12:00:00.123456789Z`."""
Line: TypeAlias = tuple[Time, int, bytes]
"""Time, stream (STDOUT or STDERR), and the text without its end of line."""
TIME_LENGTH = 30
STREAM_NAMES: Mapping[int, str] = {STDOUT: "stdout", STDERR: "stderr"}
MARGIN = 2
"""Seconds by which the lines of a container's two streams may stand in its log in another order than their times."""
CURSOR_BYTES = 16 * 1024
"""Length of a cursor that is read."""
_MOST_TEXT = 256 * 1024


BLOCKS = "application/vnd.spin.log"
"""Media type of logs as blocks (docs/reference/logs.md)."""


class Block(IntEnum):
    """What a block is."""

    BEGUN = 0
    """When the answer began, by the platform's clock: a time."""
    SOURCE = 1
    """A container that has a number from now on: JSON, `instance` and `id`."""
    LINES = 2
    """Lines of one container and stream: time, a space, text, a line feed."""
    NOTHING = 3
    """Nothing has been written for a while."""
    ERROR = 4
    """The last block of an answer that has failed: JSON, `code` and `detail`."""


@dataclass(frozen=True, slots=True)
class LogSource:
    """A container whose log can be read, also where it has been removed."""

    id: InstanceId
    service: str
    slot: int
    instance: str
    """`stack-service-N`."""
    created: datetime
    running: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line as people read it."""

    instance: str
    """`stack-service-N`."""
    time: datetime
    stream: str
    """`stdout` or `stderr`."""
    text: str


def readable(source: LogSource, line: Line) -> LogLine:
    time, stream, text = line
    return LogLine(source.instance, moment_of(time), STREAM_NAMES[stream], text.decode(errors="replace").removesuffix("\r"))


def for_programs(instance: str, id: str, line: Line) -> dict[str, str | None]:
    """A line as JSON says it: nothing of it is lost."""
    time, stream, text = line
    said = text.decode(errors="replace")
    exact = "\ufffd" not in said or said.encode() == text
    return {
        "instance": instance,
        "id": id,
        "time": time.decode(errors="replace"),
        "stream": STREAM_NAMES[stream],
        "text": said,
        "bytes": None if exact else base64.b64encode(text).decode(),
    }


@dataclass(frozen=True, slots=True)
class Span:
    """Which lines of one container's log."""

    since: Time | None = None
    """Lines of that time and later."""
    until: Time | None = None
    """Lines of that time and earlier."""
    tail: int | None = None
    """The last so many; None = all."""
    follow: bool = False
    """Go on until the container ends."""


def stamp(moment: datetime) -> Time:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()


def moment_of(time: Time) -> datetime:
    """Cut to microseconds. Raises ValueError."""
    if len(time) != TIME_LENGTH:
        raise ValueError(time)
    return datetime.fromisoformat(time[:26].decode("ascii")).replace(tzinfo=UTC)


@dataclass(slots=True)
class Position:
    """How far a container's log has been read: for each stream the time of the last line, and how many lines of that stream had it.

    A log is read again from `since`; `passes` tells what is new.
    """

    floor: Time | None = None
    """What is earlier was not asked for."""
    marks: dict[int, tuple[Time, int]] = field(default_factory=dict)

    def since(self) -> Time | None:
        """From when to read again, so that no line is missed."""
        if not self.marks:
            return self.floor
        newest = max(time for time, _ in self.marks.values())
        near = stamp(moment_of(newest) - timedelta(seconds=MARGIN))
        found = near if len(self.marks) == 1 else max(near, min(time for time, _ in self.marks.values()))
        return found if self.floor is None else max(found, self.floor)

    def passes(self, line: Line, number: int) -> bool:
        """Whether `line`, the `number`th of its time and stream, is new; then it is the last one now."""
        time, stream, _ = line
        mark = self.marks.get(stream)
        if (self.floor is not None and time < self.floor) if mark is None else (time, number) <= mark:
            return False
        self.marks[stream] = (time, number)
        return True


class Numbers:
    """Counts lines of the same time and stream, in a log that is read from before that time."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[Time, int]] = {}

    def of(self, line: Line) -> int:
        time, stream, _ = line
        last, count = self._last.get(stream, (b"", 0))
        count = count + 1 if last == time else 1
        self._last[stream] = (time, count)
        return count


@dataclass(slots=True)
class Cursor:
    """How far somebody has followed a stack's logs: what a client says when it comes back."""

    begun: Time
    """When the following began, by the platform's clock."""
    floor: Time | None = None
    """From when lines were asked for, of containers that are not in `positions`."""
    positions: dict[InstanceId, Position] = field(default_factory=dict)

    def position(self, source: LogSource) -> Position:
        found = self.positions.get(known_by(source.id))
        return Position(self.begun if source.removed else self.floor) if found is None else found

    def text(self) -> str:
        marks = {
            name: [p.floor and p.floor.decode(), *([s, t.decode(), n] for s, (t, n) in p.marks.items())]
            for name, p in self.positions.items()
        }
        found = json.dumps([self.begun.decode(), self.floor and self.floor.decode(), marks], separators=(",", ":"))
        return base64.urlsafe_b64encode(zlib.compress(found.encode(), 9)).decode()


def known_by(id: str) -> InstanceId:
    """What of a container's id stands in a cursor: enough to tell it from others."""
    return InstanceId(id[:16])


def read_cursor(text: str) -> Cursor:
    """Raises InvalidInput for what is none."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.urlsafe_b64decode(text[:CURSOR_BYTES]), _MOST_TEXT)
        begun, floor, positions = json.loads(unpacked)
        return Cursor(
            _time(begun),
            None if floor is None else _time(floor),
            {
                InstanceId(str(name)): Position(
                    None if low is None else _time(low),
                    {int(stream): (_time(time), int(number)) for stream, time, number in marks},
                )
                for name, (low, *marks) in positions.items()
            },
        )
    except (ValueError, TypeError, AttributeError, zlib.error, RecursionError):
        raise InvalidInput("That is no cursor of a log. Begin again without one.", key="cursor") from None


def _time(text: str) -> Time:
    found = text.encode()
    moment_of(found)
    return found


def last_of(lines: Iterable[Line], count: int) -> list[Line]:
    found = list(lines)
    return found[max(0, len(found) - count) :]
