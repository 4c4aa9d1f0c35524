"""Implements `spin.ports.logs.LogArchive` below one folder: `ENVIRONMENT/PROJECT/STACK/ID.gz`.

A file is gzip: a line of JSON that says which container it was, then the log, a line a line: time, stream, text. It is written beside
and renamed, so there is all of it or nothing, and saving twice is saving once.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from spin.errors import Failed
from spin.model.log import TIME_LENGTH, Line, LogSource, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.site import Retention

_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_BATCH = 2000
"""Lines that are read at once."""
_ABANDONED = timedelta(days=1)
"""Nobody writes a log for so long."""
_HEAD = 64 * 1024
"""Bytes of the first line."""


class FileArchive:
    """`folder` is there and is the archive's own."""

    def __init__(self, folder: Path, retention: Retention) -> None:
        self._folder = folder
        self._retention = retention

    async def save(self, key: DeploymentKey, source: LogSource, lines: AsyncIterator[Sequence[Line]]) -> None:
        path = self._path(key, source.id)
        new = path.with_name(f".{path.name}.new")
        try:
            with _told("kept"):
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
                with new.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3, mtime=0) as file:
                    file.write(_head(source))
                    async for batch in lines:
                        await asyncio.to_thread(file.write, b"".join(b"%b %d %b\n" % line for line in batch))
                await asyncio.to_thread(_settle, new, path)
                await asyncio.to_thread(self._bound, path.parent, self._retention.log_bytes_per_stack)
        finally:
            new.unlink(missing_ok=True)

    async def sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        with _told("read"):
            return await asyncio.to_thread(self._sources, self._stack(key))

    async def read(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        path = self._path(key, id)
        with _told("read"):
            try:
                file = await asyncio.to_thread(gzip.open, path, "rb")
            except FileNotFoundError:
                return
            with file:
                await asyncio.to_thread(file.readline)
                lines = _lines(file, span)
                if span.tail is not None:
                    yield await asyncio.to_thread(lambda: list(deque(lines, span.tail)))
                    return
                while batch := await asyncio.to_thread(lambda: list(islice(lines, _BATCH))):
                    yield batch

    async def prune(self, now: datetime) -> int:
        with _told("pruned"):
            return await asyncio.to_thread(self._prune, now)

    def _prune(self, now: datetime) -> int:
        oldest = (now - timedelta(days=self._retention.log_days)).timestamp()
        gone = 0
        for path in list(self._folder.rglob("*.gz")):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    gone += 1
        for path in list(self._folder.rglob(".*.gz.new")):  # left by a platform that was killed while it wrote
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < (now - _ABANDONED).timestamp():
                    path.unlink()
        for stack in {path.parent for path in self._folder.rglob("*.gz")}:
            gone += self._bound(stack, self._retention.log_bytes_per_stack)
        gone += self._bound(self._folder, self._retention.log_bytes)
        for folder in sorted((p for p in self._folder.rglob("*") if p.is_dir()), reverse=True):
            with suppress(OSError):
                folder.rmdir()  # those that are empty
        return gone

    @staticmethod
    def _bound(folder: Path, most: int) -> int:
        """Let the oldest go until no more than `most` bytes are left below `folder`."""
        found = []
        for path in folder.rglob("*.gz"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                found.append((facts.st_mtime_ns, facts.st_size, path))
        room, gone = most, 0
        for _, size, path in sorted(found, reverse=True):
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    @staticmethod
    def _sources(stack: Path) -> tuple[LogSource, ...]:
        found = []
        for path in stack.glob("*.gz"):
            with (
                suppress(FileNotFoundError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, KeyError),
                gzip.open(path) as file,
            ):
                said = json.loads(file.readline(_HEAD))
                created = datetime.fromisoformat(said["created"])
                found.append(
                    LogSource(InstanceId(said["id"]), said["service"], said["slot"], said["instance"], created, removed=True)
                )
        return tuple(sorted(found, key=lambda s: (s.created, s.instance, s.id)))

    def _stack(self, key: DeploymentKey) -> Path:
        """The parts of a key are names, which hold no slash and do not begin with a dot (`spin.model.names`)."""
        return self._folder / key.environment / key.project / key.stack

    def _path(self, key: DeploymentKey, id: InstanceId) -> Path:
        if not _ID.fullmatch(id):
            raise Failed(f"{id!r} is no container's id.")
        return self._stack(key) / f"{id}.gz"


def _lines(file: gzip.GzipFile, span: Span) -> Iterator[Line]:
    text_at = TIME_LENGTH + 3
    for line in file:
        time = line[:TIME_LENGTH]
        if (span.since is None or time >= span.since) and (span.until is None or time <= span.until):
            yield time, line[TIME_LENGTH + 1] - 48, line[text_at:-1]


def _head(source: LogSource) -> bytes:
    said = {
        "id": source.id,
        "service": source.service,
        "slot": source.slot,
        "instance": source.instance,
        "created": source.created.astimezone(UTC).isoformat(),
    }
    return json.dumps(said).encode() + b"\n"


def _settle(new: Path, path: Path) -> None:
    descriptor = os.open(new, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise Failed(f"Logs of removed containers cannot be {what}: {getattr(error, 'strerror', None) or error}.") from error
