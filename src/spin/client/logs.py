"""Logs as blocks: read, counted, and taken up again where they broke off."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from spin.client.patience import Patience
from spin.client.transport import Transport
from spin.errors import SpinError, Unavailable, from_code
from spin.model.log import BLOCKS, TIME_LENGTH, Block, Cursor, Position, known_by, stamp
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


class LogFeeds:
    """Logs of one stack."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path

    def __call__(self, **query: Unpack[LogQuery]) -> LogFeed:
        return LogFeed(self._transport, self._path, query)


class LogFeed:
    def __init__(self, transport: Transport, path: str, query: Mapping[str, Any]) -> None:
        self._transport = transport
        self._path = path
        self._query = log_query(query)
        self._follow = bool(query.get("follow"))
        self._cursor: Cursor | None = None

    def blocks(self) -> Iterator[LogBlock]:
        """Until there is nothing more. Following goes on over a platform that is restarted: no line is lost or comes twice."""
        patience = Patience()
        while True:
            try:
                for block in self._once():
                    if self._cursor is not None:
                        patience.answered()
                    if block is not None:
                        yield block
            except Unavailable as error:
                if not self._follow:
                    raise
                self._transport.pause(patience.after(error))
            else:
                return

    def _once(self) -> Iterator[LogBlock | None]:
        """One answer; None says that it goes on."""
        query = dict(self._query)
        if self._cursor is not None:
            query["cursor"] = self._cursor.text()
        sources: dict[int, tuple[str, str]] = {}
        for kind, stream, number, content in _blocks(self._transport.pieces(self._path, query=query, accept=BLOCKS)):
            match kind:
                case Block.LINES:
                    known, instance = sources[number]
                    yield LogBlock(known, instance, stream, content)
                    if self._follow:
                        self._passed(known_by(known), stream, content)
                case Block.SOURCE:
                    said = json.loads(content)
                    sources[number] = (said["id"], said["instance"])
                case Block.BEGUN:
                    if self._cursor is None:
                        self._cursor = Cursor(content, content if "tail" in self._query else _since(self._query))
                    yield None
                case Block.ERROR:
                    said = json.loads(content)
                    raise _error(said)
                case _:
                    yield None

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


def _error(said: Mapping[str, Any]) -> SpinError:
    return from_code(str(said["code"]), str(said["detail"]), {})


def _blocks(pieces: Iterator[bytes]) -> Iterator[tuple[int, int, int, bytes]]:
    rest = b""
    for piece in pieces:
        data = rest + piece if rest else piece
        at = 0
        while at + _HEADER.size <= len(data):
            kind, stream, number, size = _HEADER.unpack_from(data, at)
            end = at + _HEADER.size + size
            if end > len(data):
                break
            yield kind, stream, number, data[at + _HEADER.size : end]
            at = end
        rest = data[at:]
    if rest:
        raise Unavailable("The answer broke off in the middle of a block.")
