"""Logs as blocks: read, and counted, so that they are taken up again where they broke off. `feed` asks for them. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from spin.errors import Unavailable, from_code
from spin.model.log import TIME_LENGTH, Block, Cursor, Position, known_by, stamp
from spin.model.names import InstanceId

MOST_POSITIONS = 300
"""Containers whose positions are in a cursor, the latest."""
_HEADER = struct.Struct(">BBHI")


class LogQuery(TypedDict, total=False):
    service: str | None
    slot: int | None
    instance: str | None
    """Id of a container, or its beginning."""
    tail: int | None
    """Last lines of each container."""
    since: str | None
    """RFC 3339."""
    until: str | None
    removed: bool
    """Also of containers that have been removed."""
    follow: bool


@dataclass(frozen=True, slots=True)
class LogBlock:
    """Lines of one container and stream: of each its time, a space, its text and a line feed."""

    id: str
    instance: str
    stream: int
    lines: bytes


def log_query(query: Mapping[str, Any]) -> dict[str, str]:
    given = {name: value for name, value in query.items() if value is not None and value is not False}
    return {name: "true" if value is True else str(value) for name, value in given.items()}


class Reading:
    """One question about logs, and how far its answers have come: a later one goes on where the one before broke off."""

    def __init__(self, query: Mapping[str, Any]) -> None:
        self._query = log_query(query)
        self._cursor: Cursor | None = None
        self._rest = b""
        self._sources: dict[int, tuple[str, str]] = {}
        self.follows = bool(query.get("follow"))

    @property
    def begun(self) -> bool:
        """There was an answer."""
        return self._cursor is not None

    def query(self) -> dict[str, str]:
        """What the next request says."""
        self._rest, self._sources = b"", {}
        return self._query if self._cursor is None else {**self._query, "cursor": self._cursor.text()}

    def feed(self, piece: bytes) -> Iterator[LogBlock]:
        """The blocks of lines that are whole with this piece of an answer. Raises the error that the answer ends with."""
        data = self._rest + piece if self._rest else piece
        at = 0
        while at + _HEADER.size <= len(data):
            kind, stream, number, size = _HEADER.unpack_from(data, at)
            end = at + _HEADER.size + size
            if end > len(data):
                break
            content, at = data[at + _HEADER.size : end], end
            match kind:
                case Block.LINES:
                    known, instance = self._sources[number]
                    yield LogBlock(known, instance, stream, content)
                    if self.follows:
                        self._passed(known_by(known), stream, content)
                case Block.SOURCE:
                    said = json.loads(content)
                    self._sources[number] = (said["id"], said["instance"])
                case Block.BEGUN:
                    if self._cursor is None:
                        self._cursor = Cursor(content, content if "tail" in self._query else _since(self._query))
                case Block.ERROR:
                    said = json.loads(content)
                    raise from_code(str(said["code"]), str(said["detail"]), {})
                case _:
                    pass
        self._rest = data[at:]

    def end(self) -> None:
        """The answer is over. Raises Unavailable where that was no whole block."""
        if self._rest:
            raise Unavailable("The answer broke off in the middle of a block.")

    def _passed(self, id: InstanceId, stream: int, lines: bytes) -> None:
        assert self._cursor is not None  # noqa: S101 - an answer begins with the block that makes it
        positions = self._cursor.positions
        position = positions.pop(id, None) or Position(lines[:TIME_LENGTH])
        positions[id] = position  # the latest at the end
        while len(positions) > MOST_POSITIONS:
            del positions[next(iter(positions))]
        end = len(lines)
        begin = lines.rfind(b"\n", 0, end - 1) + 1
        last, count = lines[begin : begin + TIME_LENGTH], 0
        while lines[begin : begin + TIME_LENGTH] == last:
            count += 1
            if begin == 0:
                break
            end = begin
            begin = lines.rfind(b"\n", 0, end - 1) + 1
        before, counted = position.marks.get(stream, (b"", 0))
        position.marks[stream] = (last, count + (counted if before == last else 0))


def _since(query: Mapping[str, str]) -> bytes | None:
    return stamp(datetime.fromisoformat(query["since"])) if "since" in query else None
