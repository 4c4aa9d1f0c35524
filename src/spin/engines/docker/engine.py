"""The engine port on a Docker Engine: who does what is said here, how it is done in the modules beside."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, assert_never

from aiodocker.exceptions import DockerError

from spin.engines.docker import containers, files, labels, ports
from spin.engines.docker.client import Client, lasting
from spin.engines.docker.events import Hints
from spin.engines.docker.files import Files
from spin.engines.docker.images import Images
from spin.engines.docker.labels import Kind
from spin.engines.docker.logs import Logs
from spin.engines.docker.networks import Networks
from spin.engines.docker.observe import NEVER, Observer, moment
from spin.engines.docker.probes import Prober
from spin.engines.docker.reasons import sentence
from spin.errors import EngineUnavailable, Failed
from spin.model.names import DeploymentKey
from spin.model.observed import Snapshot
from spin.model.stack import Port, Volume
from spin.model.steps import (
    Create,
    DeliverFiles,
    EngineStep,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    Remove,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    Start,
    Stop,
)
from spin.ports.engine import Capabilities, FileContents, Health, LogLine, LogQuery, PullAccess, VolumeInfo
from spin.site import Site

STOP_SLACK = 60.0
"""Seconds that the engine may take for a stop beyond the grace it was given."""


class DockerEngine:
    """One Docker Engine, for the deployments of one site. `url`: as in DOCKER_HOST; None finds it as the `docker` command does."""

    capabilities = Capabilities(kind="docker")

    def __init__(self, site: Site, contents: FileContents, access: PullAccess, url: str | None = None) -> None:
        self._site = site
        self._client = Client(url)
        self._images = Images(self._client, access)
        self._hints = Hints(self._client, site, self._images)
        self._prober = Prober(self._client, self._hints.put)
        self._networks = Networks(self._client, site)
        self._files = Files(self._client, site, contents)
        self._observer = Observer(self._client, site, self._networks, self._images, self._prober)
        self._logs = Logs(self._client, site)
        self._cpus: int | None = None

    async def close(self) -> None:
        """End probes and connections."""
        await self._prober.close()
        await self._client.close()

    async def health(self) -> Health:
        try:
            return Health(reachable=True, version=str((await self._client.version()).get("Version", "")))
        except EngineUnavailable as error:
            return Health(reachable=False, detail=error.message)
        except DockerError as error:
            return Health(reachable=False, detail=sentence(error.message))

    async def keys(self) -> frozenset[DeploymentKey]:
        filters = labels.selector(self._site.id)
        with _reading():
            held, networks, volumes = await asyncio.gather(
                self._client.get("containers/json", all="true", filters=filters),
                self._client.get("networks", filters=filters),
                self._client.get("volumes", filters=filters),
            )
        kept = [v for v in volumes.get("Volumes") or () if v["Labels"].get(labels.KIND) != Kind.VOLUME.value]
        found = (labels.key_of(thing["Labels"]) for thing in (*held, *networks, *kept))
        return frozenset(key for key in found if key is not None)

    async def observe(self, key: DeploymentKey) -> Snapshot:
        with _reading():
            snapshot = await self._observer.snapshot(key)
        names = [labels.network(self._site.id, key, n) for n in snapshot.networks]
        names += [labels.files(self._site.id, key, service, digest) for service, digest in snapshot.files]
        self._hints.know(key, names + [labels.volume(self._site.id, key, v) for v in snapshot.volumes])
        return snapshot

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        try:
            await self._do(key, step)
        except DockerError as error:
            raise Failed(sentence(error.message)) from error

    def hints(self) -> AsyncIterator[DeploymentKey]:
        return self._hints.listen()

    async def logs(self, key: DeploymentKey, query: LogQuery) -> AsyncIterator[LogLine]:
        with _reading():
            async with aclosing(self._logs.read(key, query)) as lines:
                async for line in lines:
                    yield line

    async def volumes(self, project: str) -> tuple[VolumeInfo, ...]:
        with _reading():
            volumes, held = await asyncio.gather(
                self._client.get("volumes", filters=labels.selector(self._site.id, None, Kind.VOLUME, project=project)),
                self._client.get(
                    "containers/json", all="true", filters=labels.selector(self._site.id, None, Kind.CONTAINER, project=project)
                ),
            )
        users: dict[str, set[str]] = {}
        for container in held:
            for mount in container["Mounts"]:
                users.setdefault(mount.get("Name", ""), set()).add(container["Labels"][labels.SERVICE])
        found = [_volume_info(v, users.get(v["Name"], set())) for v in volumes.get("Volumes") or ()]
        return tuple(sorted(found, key=lambda v: (v.key, v.name)))

    async def taken_ports(self, key: DeploymentKey, ports_: tuple[Port, ...]) -> tuple[tuple[Port, str], ...]:
        with _reading():
            return await ports.taken(self._client, self._site, key, ports_)

    async def _do(self, key: DeploymentKey, step: EngineStep) -> None:
        match step:
            case PullImage():
                await self._images.pull(step.pinned)
            case EnsureNetwork():
                await self._networks.ensure(key, step.network)
            case EnsureVolume():
                await self._ensure_volume(key, step.volume)
            case DeliverFiles():
                await self._files.deliver(key, step)
            case Create():
                await self._create(key, step)
            case Start():
                await self._start(key, step)
            case Stop():
                await self._stop(key, step)
            case Remove():
                await self._remove(key, step)
            case RemoveFiles():
                await self._files.remove(key, step.service, step.digest)
            case RemoveNetwork():
                await self._files.sweep(key)  # the last step of a removal: nothing half-done stays behind
                await self._sweep_scratch(key)
                await self._networks.remove(key, step.network)
            case RemoveVolume():
                await self._remove_volume(key, step.volume)
            case _:
                assert_never(step)

    async def _ensure_volume(self, key: DeploymentKey, volume: Volume) -> None:
        name = labels.volume(self._site.id, key, volume.name)
        ours = labels.labels_for(self._site.id, key, Kind.VOLUME, {labels.NAME: volume.name})
        body = {"Name": name, "Driver": "local", "Labels": {**labels.user_labels(volume.labels), **ours}}
        made = await self._client.post("volumes/create", body)  # answers with the volume that has the name, whosever it is
        labels.require(f"A volume {name}", made, ours)

    async def _sweep_scratch(self, key: DeploymentKey) -> None:
        """Remove the tmpfs volumes of containers that somebody else removed without them; those in use are left alone."""
        found = await self._client.get("volumes", filters=labels.selector(self._site.id, key, Kind.SCRATCH))
        for volume in found.get("Volumes") or ():
            try:
                await self._client.delete(f"volumes/{volume['Name']}")
            except DockerError as error:
                if error.status not in (404, 409):
                    raise

    async def _remove_volume(self, key: DeploymentKey, volume: str) -> None:
        name = labels.volume(self._site.id, key, volume)
        try:
            found = await self._client.get(f"volumes/{name}")
            labels.require(f"A volume {name}", found, labels.labels_for(self._site.id, key, Kind.VOLUME))
            await self._client.delete(f"volumes/{name}")
        except DockerError as error:
            if error.status == 409:
                raise Failed(f"Volume {volume} is still used by a container.", volume=volume) from error
            if error.status != 404:
                raise

    async def _create(self, key: DeploymentKey, step: Create) -> None:
        spec = step.spec
        networks, volumes, api = await asyncio.gather(
            self._networks.ids(key), files.volumes_of(self._client, self._site.id, key), self._client.api()
        )
        missing = [f"network {a.network}" for a in spec.networks if a.network not in networks]
        held = {v["Labels"].get(labels.NAME) for v in volumes if v["Labels"].get(labels.KIND) == Kind.VOLUME.value}
        missing += [f"volume {m.volume}" for m in spec.mounts if m.volume not in held]
        if missing:
            raise Failed(f"{spec.name} cannot be created: there is no {' and no '.join(missing)} of this stack on the engine.")
        paths = await self._files.paths(key, spec.name, step.digest, volumes, (*spec.configs, *spec.secrets))
        cpus = await self._host_cpus()
        body = containers.create_body(self._site, key, step, networks=networks, files=paths, api=api, cpus=cpus)
        name = labels.container(self._site.id, key, spec.name, step.slot, step.digest, step.attempt)
        try:
            await self._client.post("containers/create", body, name=name)
        except DockerError as error:
            if error.status != 409:
                self._images.changed()  # perhaps it was believed to be there
                raise
            ours = labels.labels_for(self._site.id, key, Kind.CONTAINER, containers.identity(step))
            labels.require(f"A container {name}", (await self._client.get(f"containers/{name}/json"))["Config"], ours)

    async def _start(self, key: DeploymentKey, step: Start) -> None:
        found = await self._mine(key, step.id)
        if found is None:
            raise Failed(f"{step.name} cannot be started: it is gone.")
        if found["State"]["Running"]:
            return
        await self._join_networks(key, found)
        await self._client.ask("POST", f"containers/{step.id}/start", timeout=lasting(STOP_SLACK))

    async def _join_networks(self, key: DeploymentKey, container: dict[str, Any]) -> None:
        """Connect it to those of its networks that it is not on: engines before API 1.44 create containers on one network only."""
        wanted = json.loads(container["Config"]["Labels"].get(labels.NETWORKS, "[]"))
        if len(wanted) < 2:
            return
        ids = await self._networks.ids(key)
        joined = container["NetworkSettings"]["Networks"]
        there = {*joined, *(e["NetworkID"] for e in joined.values())}
        for name, aliases in wanted:
            if name not in ids:
                raise Failed(f"There is no network {name} of this stack on the engine.", network=name)
            if ids[name] not in there and labels.network(self._site.id, key, name) not in there:
                body = {"Container": container["Id"], "EndpointConfig": {"Aliases": aliases}}
                await self._client.post(f"networks/{ids[name]}/connect", body)

    async def _stop(self, key: DeploymentKey, step: Stop) -> None:
        found = await self._mine(key, step.id)
        if found is None:
            return
        grace = math.ceil(step.grace_ms / 1000)
        try:
            if found["State"]["Paused"]:
                await self._client.post(f"containers/{step.id}/unpause")  # or it could not hear the signal
            timeout = lasting(grace + STOP_SLACK)
            await self._client.ask("POST", f"containers/{step.id}/stop", params={"t": str(grace)}, timeout=timeout)
        except DockerError as error:
            if error.status != 404:
                raise

    async def _remove(self, key: DeploymentKey, step: Remove) -> None:
        if await self._mine(key, step.id) is None:
            return
        try:
            await self._client.delete(f"containers/{step.id}", v="true")  # with its anonymous volumes; named ones stay
        except DockerError as error:
            if error.status == 409 and "already in progress" in error.message:
                return
            if error.status != 404:
                raise

    async def _mine(self, key: DeploymentKey, id: str) -> dict[str, Any] | None:
        """The container, if it is this deployment's; None if there is none. Raises Failed if it is anybody else's."""
        try:
            found: dict[str, Any] = await self._client.get(f"containers/{id}/json")
        except DockerError as error:
            if error.status == 404:
                return None
            raise
        labels.require(f"The container {id[:12]}", found["Config"], labels.labels_for(self._site.id, key, Kind.CONTAINER))
        return found

    async def _host_cpus(self) -> int:
        if self._cpus is None:
            self._cpus = int((await self._client.get("info"))["NCPU"])
        return self._cpus


def _volume_info(volume: dict[str, Any], users: set[str]) -> VolumeInfo:
    key = labels.key_of(volume["Labels"])
    assert key is not None  # noqa: S101 - the engine filtered by the labels that make a key
    created = moment(volume.get("CreatedAt"))
    return VolumeInfo(
        key=key,
        name=volume["Labels"].get(labels.NAME, ""),
        engine_name=volume["Name"],
        created=None if created == NEVER else created,
        used_by=tuple(sorted(users)),
    )


@contextmanager
def _reading() -> Iterator[None]:
    """An engine that refuses to tell is one that cannot be relied on now: never to be read as "there is nothing"."""
    try:
        yield
    except DockerError as error:
        raise EngineUnavailable(f"The Docker Engine cannot tell: {sentence(error.message)}", engine="docker") from error
