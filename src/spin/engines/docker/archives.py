"""Files into and out of a container, as tar streams of the engine's own making."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import stat as bits
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiodocker.exceptions import DockerError

from spin.engines.docker.client import ENDLESS, Client
from spin.engines.docker.reasons import sentence
from spin.engines.docker.wire import PIECE
from spin.errors import Failed, NotFound
from spin.model.names import InstanceId
from spin.model.streams import STDOUT, FileStat, Size

_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27
_GO_OTHER = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19
"""Go's os.FileMode, in which the engine tells modes: device, pipe, socket, character device, irregular."""
_GO_SPECIAL = ((1 << 23, bits.S_ISUID), (1 << 22, bits.S_ISGID), (1 << 20, bits.S_ISVTX))


class Archives:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def stat(self, container: InstanceId, path: str) -> FileStat | None:
        """What is at `path`, a link as itself; None if nothing is."""
        try:
            async with self._client.stream("HEAD", f"containers/{container}/archive", params={"path": path}) as answer:
                return file_stat(answer.headers.get("X-Docker-Container-Path-Stat", ""))
        except DockerError as error:
            if error.status in (404, 400):  # 400: the part before the last is no directory
                return None
            raise Failed(f"{path} cannot be looked at: {sentence(error.message)}") from error

    @asynccontextmanager
    async def read(self, container: InstanceId, path: str) -> AsyncIterator[_Reading]:
        """Raises NotFound."""
        try:
            async with self._client.stream("GET", f"containers/{container}/archive", params={"path": path}) as answer:
                yield _Reading(answer)
        except DockerError as error:
            if error.status == 404:
                raise NotFound(f"There is no file {path} in the container.", path=path) from error
            raise Failed(f"{path} cannot be read: {sentence(error.message)}") from error

    @asynccontextmanager
    async def write(self, container: InstanceId, directory: str) -> AsyncIterator[_Writing]:
        writing = _Writing(self._client, container, directory)
        try:
            yield writing
        finally:
            await writing.close()


class _Reading:
    """Implements `spin.ports.streams.Stream`."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def read(self) -> tuple[int, bytes] | None:
        piece = await self._answer.content.read(PIECE)
        return (STDOUT, piece) if piece else None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Nobody reads it."""

    async def end(self) -> None:
        """There is no input."""

    async def resize(self, size: Size) -> None:
        """There is no terminal."""

    async def wait(self) -> int:
        return 0


class _Writing:
    """Implements `spin.ports.streams.Stream`."""

    def __init__(self, client: Client, container: str, directory: str) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._directory = directory
        request = client.ask(
            "PUT", f"containers/{container}/archive", params={"path": directory}, data=self._body(), timeout=ENDLESS
        )
        self._request: asyncio.Task[Any] = asyncio.create_task(request)

    async def read(self) -> tuple[int, bytes] | None:
        await asyncio.wait({self._request})
        return None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        await self._put(bytes(data))

    async def end(self) -> None:
        await self._put(None)

    async def resize(self, size: Size) -> None:
        """There is no terminal."""

    async def wait(self) -> int:
        try:
            await self._request
        except DockerError as error:
            reason = sentence(error.message)
            raise Failed(f"The files cannot be put into {self._directory}: {reason}", path=self._directory) from error
        return 0

    async def close(self) -> None:
        self._request.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._request

    async def _put(self, piece: bytes | None) -> None:
        """Returns also when the engine has given up on the request meanwhile."""
        if self._request.done():
            return
        putting = asyncio.create_task(self._pieces.put(piece))
        try:
            await asyncio.wait({putting, self._request}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()

    async def _body(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


def file_stat(header: str) -> FileStat | None:
    """From the engine's header; None for one that cannot be read."""
    try:
        found = json.loads(base64.b64decode(header, validate=True))
        mode = int(found["mode"])
        kind = "directory" if mode & _GO_DIRECTORY else "link" if mode & _GO_LINK else "other" if mode & _GO_OTHER else "file"
        unix = mode & 0o777 | sum(bit for go, bit in _GO_SPECIAL if mode & go)
        return FileStat(str(found["name"]), int(found["size"]), unix, kind, str(found.get("linkTarget") or ""))
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
