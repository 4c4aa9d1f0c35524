"""Streams of simulated containers: a handful of programs, files in memory, and ports that send back what they get."""

from __future__ import annotations

import asyncio
import io
import posixpath
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spin.engines.simulated.container import Container
from spin.errors import Conflict, Failed, NotFound
from spin.model.names import DeploymentKey, InstanceId
from spin.model.steps import Create
from spin.model.streams import STDERR, STDOUT, Command, FileStat, Size
from spin.ports.streams import Stream

_NOT_FOUND = 127
_HUNG_UP = 129


class SimulatedStream:
    """One program's. It knows `cat`, `echo`, `true`, `false`, `sleep` (until it is hung up), `size` (of its terminal) and `exit N`, and
    a shell (`sh -c`) that knows no more than they."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.size = command.size
        self._output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(4)
        self._status = asyncio.get_running_loop().create_future()
        self.ended = False
        """It has an exit status, or its client has gone."""

    async def start(self) -> None:
        name, *words = self.command.argv or ("true",)
        if name == "sh" and words[:1] == ["-c"]:
            name, *words = words[1].split()
        if name == "sleep" or (name == "cat" and self.command.stdin):
            return
        status = 0
        if name == "echo":
            await self._output.put((STDOUT, " ".join(words).encode() + b"\n"))
        elif name == "size" and self.size is not None:
            await self._output.put((STDOUT, f"{self.size.rows} {self.size.columns}\n".encode()))
        elif name in ("false", "exit"):
            status = int(words[0]) if words else 1
        elif name not in ("cat", "true"):
            await self._output.put((STDERR, f"{name}: not found\n".encode()))
            status = _NOT_FOUND
        await self._finish(status)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._output.get()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.command.argv[:1] == ("cat",) and not self._status.done():
            await self._output.put((STDOUT, bytes(data)))

    async def end(self) -> None:
        if self.command.argv[:1] == ("cat",) and not self._status.done():
            await self._finish(0)

    async def resize(self, size: Size) -> None:
        self.size = size

    async def wait(self) -> int:
        return int(await self._status)

    def hang_up(self) -> None:
        self.ended = True
        if not self._status.done():
            self._status.set_result(_HUNG_UP)

    async def _finish(self, status: int) -> None:
        self._status.set_result(status)
        await self._output.put(None)


class _Echo(SimulatedStream):
    """A port that sends back what it gets."""

    def __init__(self) -> None:
        super().__init__(Command(("cat",), stdin=True))


class _Tar(SimulatedStream):
    """Takes a tar stream into a container's files."""

    def __init__(self, files: dict[str, bytes], directory: str) -> None:
        super().__init__(Command(("tar",), stdin=True))
        self._files = files
        self._directory = directory
        self._taken = io.BytesIO()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        self._taken.write(data)

    async def end(self) -> None:
        self._taken.seek(0)
        try:
            with tarfile.open(fileobj=self._taken) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    if content is not None:
                        self._files[posixpath.normpath(posixpath.join(self._directory, member.name))] = content.read()
        except tarfile.TarError as error:
            raise Failed(f"The files cannot be put into {self._directory}: {error}", path=self._directory) from error
        await self._finish(0)


class Streams:
    """The port's streams, for an engine that finds its containers with `_container`."""

    def __init__(self) -> None:
        super().__init__()
        self.open_streams: list[SimulatedStream] = []
        """Programs and connections that somebody holds now."""
        self.answering: set[int] = set()
        """Ports on which running containers send back what they get."""
        self.one_offs: list[Create] = []
        """What one-off containers were made as, so far."""
        self._files: dict[InstanceId, dict[str, bytes]] = {}

    def _container(self, key: DeploymentKey, id: InstanceId) -> Container:
        """Raises Conflict where it is gone, Failed where it is another deployment's."""
        raise NotImplementedError

    @asynccontextmanager
    async def exec(self, key: DeploymentKey, id: InstanceId, command: Command) -> AsyncIterator[Stream]:
        self._running(key, id)
        async with self._opened(SimulatedStream(command)) as stream:
            yield stream

    @asynccontextmanager
    async def run(self, key: DeploymentKey, step: Create, command: Command) -> AsyncIterator[Stream]:
        assert key.stack  # noqa: S101 - the port's form
        self.one_offs.append(step)
        async with self._opened(SimulatedStream(command)) as stream:
            yield stream

    @asynccontextmanager
    async def dial(self, key: DeploymentKey, id: InstanceId, port: int) -> AsyncIterator[Stream]:
        container = self._running(key, id)
        if port not in self.answering:
            raise Failed(f"Nothing answers on port {port} of {container.name}.", port=port)
        async with self._opened(_Echo()) as stream:
            yield stream

    async def stat(self, key: DeploymentKey, id: InstanceId, path: str) -> FileStat | None:
        self._container(key, id)
        files = self._files.get(id, {})
        if path in files:
            return FileStat(posixpath.basename(path), len(files[path]), 0o644, "file")
        if any(name.startswith(path.rstrip("/") + "/") for name in files) or path in ("/", "/tmp"):  # noqa: S108 - no such folder of ours
            return FileStat(posixpath.basename(path) or "/", 0, 0o755, "directory")
        return None

    @asynccontextmanager
    async def read_files(self, key: DeploymentKey, id: InstanceId, path: str) -> AsyncIterator[Stream]:
        if await self.stat(key, id, path) is None:
            raise NotFound(f"There is no file {path} in the container.", path=path)
        packed = io.BytesIO()
        parent = posixpath.dirname(path.rstrip("/"))
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in self._files.get(id, {}).items():
                if name == path or name.startswith(path.rstrip("/") + "/"):
                    member = tarfile.TarInfo(posixpath.relpath(name, parent or "/"))
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        async with self._opened(_Echo()) as stream:
            await stream.write(packed.getvalue())
            await stream.end()
            yield stream

    @asynccontextmanager
    async def write_files(self, key: DeploymentKey, id: InstanceId, directory: str) -> AsyncIterator[Stream]:
        self._container(key, id)
        async with self._opened(_Tar(self._files.setdefault(id, {}), directory)) as stream:
            yield stream

    def _running(self, key: DeploymentKey, id: InstanceId) -> Container:
        container = self._container(key, id)
        if not container.running:
            raise Conflict("The container cannot run a command now: it does not run.")
        return container

    @asynccontextmanager
    async def _opened(self, stream: SimulatedStream) -> AsyncIterator[SimulatedStream]:
        self.open_streams.append(stream)
        starting = asyncio.create_task(stream.start()) if type(stream) is SimulatedStream else None
        try:
            yield stream
        finally:
            if starting is not None:
                starting.cancel()
            stream.hang_up()
            self.open_streams.remove(stream)
