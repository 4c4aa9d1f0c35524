"""All streams to containers: whose container it is is asked first, how it is done is said in the modules beside."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.archives import Archives
from spin.engines.docker.client import Client
from spin.engines.docker.execs import Execs
from spin.engines.docker.instances import Instances
from spin.engines.docker.labels import Kind
from spin.engines.docker.one_offs import OneOffs
from spin.engines.docker.reasons import sentence
from spin.engines.docker.wire import Wire
from spin.errors import Conflict, Failed, Refused
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.steps import Create
from spin.model.streams import STDOUT, Command, FileStat, Size
from spin.ports.streams import Stream
from spin.site import Site

CONNECT_SECONDS = 5.0
"""Within which a container on this machine answers a connection."""


class Streams:
    def __init__(self, client: Client, site: Site, instances: Instances) -> None:
        self._client = client
        self._site = site
        self.execs = Execs(client, site.id)
        self.one_offs = OneOffs(client, site, instances)
        self._archives = Archives(client)

    @asynccontextmanager
    async def exec(self, key: DeploymentKey, id: InstanceId, command: Command) -> AsyncIterator[Stream]:
        found = await self._mine(key, id)
        if found["Config"]["Labels"].get(labels.BINDS):
            _keep_user(command, found["Config"]["User"])
        async with self.execs.run(found["Id"], command) as stream:
            yield stream

    @asynccontextmanager
    async def run(self, key: DeploymentKey, step: Create, command: Command) -> AsyncIterator[Stream]:
        if step.spec.binds:
            _keep_user(command, step.spec.user)
        async with self.one_offs.run(key, step, command) as stream:
            yield stream

    async def stat(self, key: DeploymentKey, id: InstanceId, path: str) -> FileStat | None:
        await self._files_of(key, id)
        return await self._archives.stat(id, path)

    @asynccontextmanager
    async def read_files(self, key: DeploymentKey, id: InstanceId, path: str) -> AsyncIterator[Stream]:
        await self._files_of(key, id)
        async with self._archives.read(id, path) as stream:
            yield stream

    @asynccontextmanager
    async def write_files(self, key: DeploymentKey, id: InstanceId, directory: str) -> AsyncIterator[Stream]:
        await self._files_of(key, id)
        async with self._archives.write(id, directory) as stream:
            yield stream

    @asynccontextmanager
    async def dial(self, key: DeploymentKey, id: InstanceId, port: int) -> AsyncIterator[Stream]:
        found = await self._mine(key, id)
        marks = found["Config"]["Labels"]
        name = container_name(key.stack, marks[labels.SERVICE], int(marks[labels.SLOT]))
        if not self._client.local:
            raise Failed(f"The engine of {name} runs on another machine: its containers' ports cannot be reached from here.")
        addresses = [n["IPAddress"] for n in found["NetworkSettings"]["Networks"].values() if n["IPAddress"]]
        if not addresses:
            raise Failed(f"{name} is on no network, so no port of it can be reached.")
        wire = await _connect(addresses[0], port, name)
        try:
            yield _Connection(wire)
        finally:
            wire.close()

    async def close(self) -> None:
        await asyncio.gather(self.execs.close(), self.one_offs.close())

    async def _files_of(self, key: DeploymentKey, id: InstanceId) -> None:
        """The engine reads and writes files as root, whoever asks: on a site's filesystem, to which any path in the container may lead by a
        link, that would be everybody's files. Raises Refused where one is mounted.
        """
        found = await self._mine(key, id)
        places = found["Config"]["Labels"].get(labels.BINDS)
        if places:
            raise Refused(
                f"Files are not copied into or out of a container that mounts a site's filesystem ({', '.join(json.loads(places))}): "
                "the engine would do so as root. Copy as the container's own user, with `spin exec STACK/SERVICE tar c PATH | tar x`.",
                key="files",
            )

    async def _mine(self, key: DeploymentKey, id: InstanceId) -> dict[str, Any]:
        """The container, if it is an instance of this deployment. Raises Conflict if it is gone, Failed if it is anybody else's."""
        try:
            found: dict[str, Any] = await self._client.get(f"containers/{id}/json")
        except DockerError as error:
            if error.status == 404:
                raise Conflict("That container is gone; another has taken its place, or is about to. Try again.") from error
            raise Failed(sentence(error.message)) from error
        labels.require(f"The container {id[:12]}", found["Config"], labels.labels_for(self._site.id, key, Kind.CONTAINER))
        return found


def _keep_user(command: Command, own: str | None) -> None:
    """Raises Refused where a command wants to be another user beside a site's filesystem: a uid there is a person."""
    if command.user not in (None, own):
        raise Refused(
            f"The container mounts one of the site's filesystems, where a number is a person: commands run as its own user, {own}. "
            "Leave --user out.",
            key="user",
        )


class _Connection:
    """Implements `spin.ports.streams.Stream`. It has ended when both directions have."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._input_over = asyncio.Event()

    async def read(self) -> tuple[int, bytes] | None:
        piece = await self._wire.receive()
        return (STDOUT, piece) if piece else None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._input_over.is_set() and not await self._wire.send(data):
            self._input_over.set()

    async def end(self) -> None:
        self._wire.end()
        self._input_over.set()

    async def resize(self, size: Size) -> None:
        """There is no terminal."""

    async def wait(self) -> int:
        await self._input_over.wait()
        return 0


async def _connect(address: str, port: int, name: str) -> Wire:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the standard library's own form
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except (OSError, TimeoutError) as error:
        sock.close()
        raise Failed(f"Nothing answers on port {port} of {name} ({_why(error)}).", port=port) from error
    except BaseException:
        sock.close()
        raise
    return Wire(sock)


def _why(error: Exception) -> str:
    return "not in time" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or error).lower()
