"""What one container has written."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import ENDLESS, Client, lasting
from spin.engines.docker.labels import Kind
from spin.model.log import TIME_LENGTH, Line, LogSource, Span, Time, last_of, moment_of
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.streams import STDERR, STDOUT
from spin.site import Site

SILENCE = 60.0
"""Seconds that the engine may take for the next piece of a log that exists already."""
LINE_BYTES = 4 * 1024 * 1024
"""A longer line is cut here, and goes on as another with the same time."""
PIECE_BYTES = 16 * 1024
"""Length of every piece but a line's last."""
_HEADER = struct.Struct(">BxxxL")


class Lines:
    """Puts what the engine sends of a container's log together to lines.

    Each frame (`spin.engines.docker.frames`) begins with a time and holds one line, or a piece of one that is longer than 16 KiB; the
    last piece ends it. Docker 20.10 forgets the line feed of that one (driver `local`), so a piece that is not full ends a line, too, and
    so does another time: all pieces of a line have the same. With a terminal (`tty`) the same comes without frames, and a piece is told
    from a line by nothing but its end.
    """

    def __init__(self, *, tty: bool = False) -> None:
        self._tty = tty
        self._rest = b""
        self._open: dict[int, tuple[Time, bytearray]] = {}

    def feed(self, data: bytes) -> list[Line]:
        if self._rest:
            data = self._rest + data
        return self._unframed(data) if self._tty else self._framed(data)

    def rest(self) -> list[Line]:
        """Lines that were never ended."""
        found = [(time, stream, bytes(text)) for stream, (time, text) in self._open.items()]
        self._open.clear()
        return sorted(found)

    def _framed(self, data: bytes) -> list[Line]:
        found: list[Line] = []
        add, unpack, pieces = found.append, _HEADER.unpack_from, self._open
        at, size, text_at = 0, len(data), TIME_LENGTH + 1
        while at + 8 <= size:
            stream, length = unpack(data, at)
            begin = at + 8
            end = begin + length
            if end > size:
                break
            at = end
            if stream != STDERR:
                stream = STDOUT
            if not pieces and data[end - 1] == 10:
                add((data[begin : begin + TIME_LENGTH], stream, data[begin + text_at : end - 1]))
            else:
                self._piece(found, stream, data[begin : begin + TIME_LENGTH], data[begin + text_at : end])
        self._rest = data[at:]
        return found

    def _piece(self, found: list[Line], stream: int, time: Time, text: bytes) -> None:
        if stream in self._open and self._open[stream][0] != time:
            found.append(self._close(stream))
        time, before = self._open.setdefault(stream, (time, bytearray()))
        whole = text.endswith(b"\n")
        ended = whole or len(text) != PIECE_BYTES
        before += text[:-1] if whole else text
        if ended or len(before) >= LINE_BYTES:
            found.append(self._close(stream))

    def _close(self, stream: int) -> Line:
        time, text = self._open.pop(stream)
        return (time, stream, bytes(text))

    def _unframed(self, data: bytes) -> list[Line]:
        *whole, self._rest = data.split(b"\n")
        return [(one[:TIME_LENGTH], STDOUT, one[TIME_LENGTH + 1 :].removesuffix(b"\r")) for one in whole]

    def end(self) -> list[Line]:
        """What is left at the end of the log."""
        if self._tty and len(self._rest) > TIME_LENGTH:
            return [(self._rest[:TIME_LENGTH], STDOUT, self._rest[TIME_LENGTH + 1 :])]
        return self.rest()


class Logs:
    def __init__(self, client: Client, site: Site) -> None:
        self._client = client
        self._site = site

    async def sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        filters = labels.selector(self._site.id, key, Kind.CONTAINER)
        listed = await self._client.get("containers/json", all="true", filters=filters)
        found = [_source(key, container) for container in listed]
        return tuple(sorted(found, key=lambda s: (s.created, s.instance, s.id)))

    async def read(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncGenerator[list[Line], None]:
        """What arrives at once is given at once, so the length of a log costs no memory."""
        try:
            inspected = await self._client.get(f"containers/{id}/json")
            if not labels.belongs(inspected["Config"]["Labels"], labels.labels_for(self._site.id, key, Kind.CONTAINER)):
                return
            # The engine cuts `tail` before `since` and `until`, and not what they leave.
            cut = None if span.until is None and span.since is None else span.tail
            params = {"stdout": "true", "stderr": "true", "timestamps": "true"}
            params["tail"] = "all" if span.tail is None or cut is not None else str(span.tail)
            for name, time in (("since", span.since), ("until", span.until)):
                if time is not None:
                    params[name] = _unix(time)
            if span.follow:
                params["follow"] = "true"
            lines = Lines(tty=bool(inspected["Config"].get("Tty")))
            kept: list[Line] = []
            timeout = ENDLESS if span.follow else lasting(SILENCE)
            async with self._client.stream("GET", f"containers/{id}/logs", params=params, timeout=timeout) as answer:
                async for chunk in answer.content.iter_any():
                    found = lines.feed(chunk)
                    if found and cut is None:
                        yield found
                    elif found and cut is not None:
                        kept = last_of(kept + found, cut)
            kept = kept if cut is None else last_of(kept + lines.end(), cut)
            yield lines.end() if cut is None else kept
        except DockerError as error:
            if error.status not in (404, 409):  # it was removed meanwhile
                raise


def _source(key: DeploymentKey, container: Mapping[str, Any]) -> LogSource:
    marks = container["Labels"]
    service, slot = marks[labels.SERVICE], int(marks[labels.SLOT])
    return LogSource(
        id=InstanceId(container["Id"]),
        service=service,
        slot=slot,
        instance=container_name(key.stack, service, slot),
        created=datetime.fromtimestamp(container["Created"], UTC),
        running=container["State"] in ("running", "paused"),
    )


def _unix(time: Time) -> str:
    """The engine's form: seconds with nanoseconds."""
    return f"{int(moment_of(time[:20] + b'000000000Z').timestamp())}.{time[20:29].decode()}"
