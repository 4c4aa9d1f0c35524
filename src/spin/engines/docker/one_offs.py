"""One-off containers: a command beside a service, with the service's image, files, volumes and networks.

To the planner they do not exist. Each belongs to the connection of whoever asked for it: with it, it is killed and removed. What a
platform that was killed has left is removed by the next one, since it is in nobody's hands.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from aiodocker.exceptions import DockerError

from spin.engines.docker import containers, labels
from spin.engines.docker.attached import Attached
from spin.engines.docker.client import ENDLESS, Client, lasting
from spin.engines.docker.instances import SLACK, Instances
from spin.engines.docker.labels import Kind
from spin.engines.docker.reasons import sentence
from spin.engines.docker.wire import hijack
from spin.errors import EngineUnavailable, Failed
from spin.model.names import DeploymentKey
from spin.model.steps import Create
from spin.model.streams import Command, Size
from spin.site import Site

log = structlog.get_logger("spin.engines.docker")


class OneOffs:
    def __init__(self, client: Client, site: Site, instances: Instances) -> None:
        self._client = client
        self._site = site
        self._instances = instances
        self._ours: set[str] = set()
        """Names of those whose connection is open."""
        self._removals: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def run(self, key: DeploymentKey, step: Create, command: Command) -> AsyncIterator[Attached]:
        """The command's streams, for a block, at whose end the container is removed, running or not. Raises Failed."""
        name = labels.one_off(self._site.id, key, step.spec.name, uuid.uuid4().hex[:8])
        self._ours.add(name)
        try:
            body = containers.one_off_body(await self._instances.body(key, step), self._site.id, key, step.spec, command)
            made = (await self._client.post("containers/create", body, name=name))["Id"]
            await self._instances.join_networks(key, await self._client.get(f"containers/{made}/json"))
            params = f"stream=1&stdout=1&stderr=1&stdin={int(command.stdin)}"
            wire = await hijack(self._client, f"containers/{made}/attach?{params}")
            try:
                await self._client.ask("POST", f"containers/{made}/start", timeout=lasting(SLACK))
                attached = Attached(wire, tty=command.tty, status=partial(self._status, made), resize=partial(self._resize, made))
                if command.size is not None:
                    await attached.resize(command.size)
                yield attached
            finally:
                wire.close()
        except DockerError as error:
            raise Failed(sentence(error.message)) from error
        finally:
            self._remove_later(name)

    def sweep(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Remove those among the engine's `listed` containers that are in nobody's hands."""
        for container in listed:
            if container["Labels"].get(labels.KIND) == Kind.ONE_OFF.value:
                name = container["Names"][0].removeprefix("/") if container["Names"] else container["Id"]
                if name not in self._ours:
                    self._remove_later(name)

    async def evict(self, key: DeploymentKey, *, network: str | None = None, volume: str | None = None) -> None:
        """Remove the deployment's that keep the engine from removing that network or volume (the engine's names)."""
        filters = labels.selector(self._site.id, key, Kind.ONE_OFF)
        for container in await self._client.get("containers/json", all="true", filters=filters):
            joined = ((container.get("NetworkSettings") or {}).get("Networks") or {}).keys()
            mounted = {m.get("Name") for m in container["Mounts"]}
            if network in joined or volume in mounted:
                await self._remove(container["Id"])

    async def close(self) -> None:
        await asyncio.gather(*self._removals, return_exceptions=True)

    def _remove_later(self, name: str) -> None:
        """In a task of its own: who ends a stream may be in a hurry, or cancelled."""
        if name in {task.get_name() for task in self._removals}:
            return
        self._ours.add(name)
        task = asyncio.create_task(self._remove(name), name=name)
        self._removals.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._removals.discard(task)
            self._ours.discard(name)

        task.add_done_callback(done)

    async def _remove(self, name: str) -> None:
        try:
            await self._client.ask("DELETE", f"containers/{name}", params={"v": "true", "force": "true"}, timeout=lasting(SLACK))
        except DockerError as error:
            if error.status not in (404, 409):
                log.warning("a one-off container cannot be removed", container=name, reason=sentence(error.message))
        except EngineUnavailable as error:
            log.info("a one-off container is removed later", container=name, reason=error.message)

    async def _status(self, container: str) -> int:
        try:
            return int((await self._client.ask("POST", f"containers/{container}/wait", timeout=ENDLESS))["StatusCode"])
        except DockerError as error:
            if error.status == 404:
                return 137  # somebody has removed it: SIGKILL
            raise

    async def _resize(self, container: str, size: Size) -> None:
        try:
            await self._client.ask("POST", f"containers/{container}/resize", params={"h": str(size.rows), "w": str(size.columns)})
        except DockerError as error:
            log.debug("no resize", container=container[:12], reason=error.message)
