"""Logs, as a stream of JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, TypeAdapter
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from spin.api.context import PREFIX, EnvironmentPath, Person, ProjectPath, StackPath, ThePlatform
from spin.errors import SpinError
from spin.kit.canonical import primitive
from spin.ports.engine import LogLine, LogQuery
from spin.usecases.logs import logs

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/stacks/{stack}/logs", tags=["stacks"])

LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {"schema": TypeAdapter(LogLine).json_schema()}}},
}
"""The schema's words for an answer of lines."""
CHUNK = 16 * 1024
"""Bytes that are gathered before they are sent."""


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
    summary="The lines of a stack's containers, one JSON object a line: instance, time, stream, text",
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
    tail: Annotated[int | None, Query(ge=0, le=10_000_000, description="Last lines of each container")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only lines after this moment (RFC 3339)")] = None,
) -> LogStream:
    lines = await logs(
        platform, person, project, environment, stack, LogQuery(service=service, slot=slot, tail=tail, since=since)
    )
    # The first line is fetched before the answer begins, so that an engine that is gone is a 503 and not a broken stream.
    first = await anext(lines, None)
    return LogStream(stream(first, lines))


async def stream(first: LogLine | None, rest: AsyncIterator[LogLine]) -> AsyncIterator[bytes]:
    """Pulled by the server only as fast as the client reads. A failure on the way becomes the last line: `{"error": {…}}`."""
    if first is None:
        return
    chunk = bytearray(_line(first))
    try:
        async for line in rest:
            chunk += _line(line)
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()
    except SpinError as error:
        chunk += json.dumps({"error": {"code": error.code, "detail": error.message}}).encode() + b"\n"
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()
    if chunk:
        yield bytes(chunk)


def _line(line: LogLine) -> bytes:
    return json.dumps(primitive(line), separators=(",", ":")).encode() + b"\n"
