"""What containers have written, merged by time."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import Client, lasting
from spin.engines.docker.frames import Frames, Terminal
from spin.engines.docker.labels import Kind
from spin.engines.docker.observe import moment
from spin.model.names import DeploymentKey, container_name
from spin.ports.engine import LogLine, LogQuery
from spin.site import Site

SILENCE = 60.0
"""Seconds that the engine may take for the next piece of a log that exists already."""


class Lines:
    """Puts a container's frames together to lines.

    Each frame begins with a time and holds one line, or a piece of one that is longer than 16 KiB; the last piece ends it.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._open: dict[str, tuple[datetime, bytes]] = {}

    def feed(self, stream: str, frame: bytes) -> LogLine | None:
        time, _, text = frame.partition(b" ")
        begun, before = self._open.pop(stream, (None, b""))
        when = begun or moment(time.decode(errors="replace"))
        if not text.endswith(b"\n"):
            self._open[stream] = (when, before + text)
            return None
        return self._line(when, stream, before + text[:-1])

    def rest(self) -> list[LogLine]:
        """Lines that were never ended."""
        return [self._line(when, stream, text) for stream, (when, text) in self._open.items()]

    def _line(self, when: datetime, stream: str, text: bytes) -> LogLine:
        return LogLine(self._instance, when, stream, text.removesuffix(b"\r").decode(errors="replace"))


class Logs:
    def __init__(self, client: Client, site: Site) -> None:
        self._client = client
        self._site = site

    async def read(self, key: DeploymentKey, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """One line of each container is held at a time, so the length of the logs costs no memory."""
        exact = {"service": query.service, "slot": None if query.slot is None else str(query.slot)}
        filters = labels.selector(self._site.id, key, Kind.CONTAINER, **{n: v for n, v in exact.items() if v is not None})
        containers = await self._client.get("containers/json", all="true", filters=filters)
        containers = [c for c in containers if query.instance in (None, c["Id"])]
        async with AsyncExitStack() as stack:
            heads: list[tuple[datetime, int, LogLine]] = []
            sources = []
            for number, container in enumerate(containers):
                sources.append(await stack.enter_async_context(aclosing(self._of(key, container, query))))
                await _advance(heads, sources, number)
            while heads:
                _, number, line = heads[0]
                yield line
                heapq.heappop(heads)
                await _advance(heads, sources, number)

    async def _of(self, key: DeploymentKey, container: Mapping[str, Any], query: LogQuery) -> AsyncGenerator[LogLine, None]:
        marks = container["Labels"]
        lines = Lines(container_name(key.stack, marks[labels.SERVICE], int(marks[labels.SLOT])))
        params = {
            "stdout": "true",
            "stderr": "true",
            "timestamps": "true",
            "tail": "all" if query.tail is None else str(query.tail),
        }
        if query.since is not None:
            params["since"] = f"{query.since.timestamp():.6f}"
        frames = Terminal() if marks.get(labels.TTY) else Frames()
        try:
            async with self._client.stream(
                "GET", f"containers/{container['Id']}/logs", params=params, timeout=lasting(SILENCE)
            ) as answer:
                async for chunk in answer.content.iter_any():
                    for stream, frame in frames.feed(chunk):
                        line = lines.feed(stream, frame)
                        if line is not None:
                            yield line
        except DockerError as error:
            if error.status not in (404, 409):  # it was removed meanwhile
                raise
        for line in lines.rest():
            yield line


async def _advance(heads: list[tuple[datetime, int, LogLine]], sources: list[AsyncGenerator[LogLine, None]], number: int) -> None:
    line = await anext(sources[number], None)
    if line is not None:
        heapq.heappush(heads, (line.time, number, line))
