"""Logs, as a stream: of JSON lines for programs, of blocks for who wants a million lines at once."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from spin.api.context import PREFIX, EnvironmentPath, Moment, Person, ProjectPath, StackPath, ThePlatform
from spin.errors import SpinError
from spin.model.log import BLOCKS, CURSOR_BYTES, Block, Line, LogSource, for_programs, read_cursor, stamp
from spin.model.names import InstanceId
from spin.usecases.log_reading import Piece
from spin.usecases.logs import LogQuery, logs

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/stacks/{stack}/logs", tags=["stacks"])

CHUNK = 64 * 1024
"""Bytes that are gathered before they are sent."""
_LINE = {
    "title": "LogLine",
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("instance", "id", "time", "stream", "text")},
        "bytes": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["instance", "id", "time", "stream", "text", "bytes"],
}
LINES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {"schema": _LINE}}}}
"""The schema's words for an answer of lines."""
_HEADER = struct.Struct(">BBHI")


class LogStream(StreamingResponse):
    """Closes what it reads from also when the client hangs up in the middle."""

    media_type = "application/x-ndjson"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()


@router.get(
    "",
    summary="The lines of a stack's containers: instance, id, time, stream, text, and bytes (base64) where it is not UTF-8",
    description=(
        "One JSON object a line, merged by time. A line is lossless: `bytes` (base64) has those that are not UTF-8. An empty line "
        'says that following goes on. What goes wrong on the way is the last line: `{"error": {…}}`. '
        f"With `Accept: {BLOCKS}` the same comes as blocks (docs/reference/logs.md), which are faster to read. "
        "Who follows and comes back with a `cursor` (each JSON line's fields say where one was) misses no line and gets none twice."
    ),
    response_class=LogStream,
    responses=LINES,
)
async def get_logs(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Annotated[str | None, Query(max_length=100, description="Only this service")] = None,
    slot: Annotated[int | None, Query(ge=1, le=10_000, description="Only the container of this number")] = None,
    instance: Annotated[
        str | None, Query(pattern="^[A-Za-z0-9_.-]{1,128}$", description="Only the container with this id, or whose id begins so")
    ] = None,
    tail: Annotated[int | None, Query(ge=0, le=10_000_000, description="Last lines of each container")] = None,
    since: Annotated[Moment | None, Query(description="Only lines of this moment (RFC 3339) and later")] = None,
    until: Annotated[Moment | None, Query(description="Only lines of this moment (RFC 3339) and earlier")] = None,
    removed: Annotated[bool, Query(description="Also of containers that have been removed")] = False,  # noqa: FBT002 - a query's parameter
    follow: Annotated[bool, Query(description="Go on with what is written from now on")] = False,  # noqa: FBT002 - as above
    cursor: Annotated[str | None, Query(max_length=CURSOR_BYTES, description="Where following goes on")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> LogStream:
    query = LogQuery(
        service=service,
        slot=slot,
        instance=None if instance is None else InstanceId(instance),
        tail=tail,
        since=None if since is None else stamp(since),
        until=None if until is None else stamp(until),
        removed=removed,
        follow=follow,
        cursor=None if cursor is None else read_cursor(cursor),
    )
    pieces: Any = await logs(platform, person, project, environment, stack, query)
    blocks = BLOCKS in accept
    form: Json | Blocks = Blocks(stamp(platform.clock.now())) if blocks else Json()
    # The first piece is fetched before the answer begins, so that an engine that is gone is a 503 and not a broken stream; who
    # follows what is silent gets the beginning at once.
    first = None if follow else await anext(pieces, None)
    return LogStream(stream(first, pieces, form, at_once=follow), media_type=BLOCKS if blocks else None)


async def stream(
    first: Piece | None, rest: AsyncIterator[Piece | None], form: Json | Blocks, *, at_once: bool = False
) -> AsyncIterator[bytes]:
    """Pulled by the server only as fast as the client reads. A failure on the way becomes the last piece."""
    chunk = bytearray(form.begin())
    if at_once and chunk:
        yield bytes(chunk)
        chunk.clear()
    try:
        if first:
            chunk += form.piece(*first)
        async for piece in rest:
            chunk += form.nothing() if piece is None else form.piece(*piece)
            if at_once or len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
    except SpinError as error:
        chunk += form.error({"code": error.code, "detail": error.message})
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()
    if chunk:
        yield bytes(chunk)


class Json:
    """One object a line."""

    def begin(self) -> bytes:
        return b""

    def nothing(self) -> bytes:
        return b"\n"

    def error(self, said: dict[str, Any]) -> bytes:
        return json.dumps({"error": said}).encode() + b"\n"

    def piece(self, source: LogSource, lines: Sequence[Line]) -> bytes:
        return b"".join(_json(source, line) for line in lines)


def _json(source: LogSource, line: Line) -> bytes:
    return json.dumps(for_programs(source.instance, source.id, line), separators=(",", ":")).encode() + b"\n"


class Blocks:
    """Each a header (kind, stream, number of the container, bytes that follow) and that many bytes."""

    def __init__(self, begun: bytes) -> None:
        self._begun = begun
        self._numbers: dict[str, int] = {}

    def begin(self) -> bytes:
        return self._block(Block.BEGUN, self._begun)

    def nothing(self) -> bytes:
        return self._block(Block.NOTHING, b"")

    def error(self, said: dict[str, Any]) -> bytes:
        return self._block(Block.ERROR, json.dumps(said).encode())

    def piece(self, source: LogSource, lines: Sequence[Line]) -> bytes:
        found = bytearray()
        number = self._numbers.get(source.id)
        if number is None:
            number = self._numbers[source.id] = len(self._numbers) % 65536
            said = json.dumps({"instance": source.instance, "id": source.id}).encode()
            found += self._block(Block.SOURCE, said, number=number)
        for stream, run in groupby(lines, key=_stream_of):
            text = b"\n".join([b" ".join((line[0], line[2])) for line in run]) + b"\n"
            found += self._block(Block.LINES, text, stream=stream, number=number)
        return bytes(found)

    @staticmethod
    def _block(kind: Block, content: bytes, *, stream: int = 0, number: int = 0) -> bytes:
        return _HEADER.pack(kind, stream, number, len(content)) + content


def _stream_of(line: Line) -> int:
    return line[1]
