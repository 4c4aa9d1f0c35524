"""The engine port on a Docker Engine: who does what is said here, how it is done in the modules beside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from typing import Any, assert_never

from aiodocker.exceptions import DockerError

from spin.engines.docker import checks, host, labels, ports
from spin.engines.docker.client import Client
from spin.engines.docker.events import Hints
from spin.engines.docker.files import Files
from spin.engines.docker.groups import Groups
from spin.engines.docker.images import Images
from spin.engines.docker.instances import Instances
from spin.engines.docker.labels import Kind
from spin.engines.docker.logs import Logs
from spin.engines.docker.meters import Meters
from spin.engines.docker.networks import Held, Networks, nothing
from spin.engines.docker.observe import NEVER, Observer, moment
from spin.engines.docker.overview import group
from spin.engines.docker.paths import Paths
from spin.engines.docker.probes import Prober
from spin.engines.docker.reasons import sentence
from spin.engines.docker.streams import Streams
from spin.errors import EngineUnavailable, Failed
from spin.model.log import Line, LogSource, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Snapshot
from spin.model.paths import PathFacts
from spin.model.stack import Bind, Port, Volume
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
from spin.model.streams import Command, FileStat
from spin.model.usage import Sample
from spin.model.why import Probed
from spin.ports.engine import Capabilities, FileContents, Health, PullAccess, VolumeInfo
from spin.ports.streams import Stream
from spin.site import Site


class DockerEngine:
    """One Docker Engine, for the deployments of one site.

    `url`: as in DOCKER_HOST; None finds it as the `docker` command does. `service_addresses`: somebody makes the services' stable
    addresses work on the engine's host. `held`: subnets that no new network may have, beside those that networks have.
    """

    def __init__(
        self,
        site: Site,
        contents: FileContents,
        access: PullAccess,
        url: str | None = None,
        *,
        service_addresses: bool = False,
        held: Held = nothing,
    ) -> None:
        self.capabilities = Capabilities(kind="docker", service_addresses=service_addresses)
        self._site = site
        self._url = url
        self._client = Client(url)
        self._paths = Paths()
        self._images = Images(self._client, access)
        self._hints = Hints(self._client, site, self._images)
        self._prober = Prober(self._client, self._hints.put)
        self._networks = Networks(self._client, site, divided=service_addresses, held=held)
        self._files = Files(self._client, site, contents)
        self._groups = Groups(self._client, site)
        self._observer = Observer(self._client, site, self._networks, self._images, self._prober)
        self._instances = Instances(
            self._client,
            site,
            self._networks,
            self._images,
            self._files,
            self._groups,
            self._sources,
            service_addresses=service_addresses,
        )
        self._logs = Logs(self._client, site)
        self._meters = Meters(self._client, site)
        self._streams = Streams(self._client, site, self._instances)

    async def close(self) -> None:
        """End probes, streams and connections."""
        await self._streams.close()
        self._paths.close()
        await self._prober.close()
        await self._client.close()

    async def health(self) -> Health:
        try:
            said = await self._client.version()
            runs = "/".join(str(said[word]) for word in ("Os", "Arch") if said.get(word))
            return Health(reachable=True, version=str(said.get("Version", "")), platform=runs)
        except EngineUnavailable as error:
            return Health(reachable=False, detail=error.message)
        except DockerError as error:
            return Health(reachable=False, detail=sentence(error.message))

    async def bridges(self) -> frozenset[str] | None:
        """Names of the bridges of all networks of the site, on the engine's host; None while the engine does not say."""
        try:
            return await self._networks.bridges()
        except (EngineUnavailable, DockerError):
            return None

    async def keys(self) -> frozenset[DeploymentKey]:
        return frozenset(group(*await self._everything()))

    async def overview(self) -> Mapping[DeploymentKey, str]:
        # Images are no part of it: what runs needs none, and what is to be made asks for them by itself.
        return {key: marks.text(self._prober.verdict) for key, marks in group(*await self._everything()).items()}

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:
        with _reading():
            snapshot = await self._observer.snapshot(key, draining)
        names = [labels.network(self._site.id, key, n) for n in snapshot.networks]
        names += [labels.files(self._site.id, key, service, digest) for service, digest in snapshot.files]
        names += [labels.volume(self._site.id, key, v) for v in snapshot.volumes]
        self._hints.know(key, [*names, *(i.id for i in snapshot.instances)])
        return snapshot

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        try:
            await self._do(key, step)
        except DockerError as error:
            raise Failed(sentence(error.message)) from error

    def hints(self) -> AsyncIterator[DeploymentKey]:
        return self._hints.listen()

    async def log_sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        with _reading():
            return await self._logs.sources(key)

    async def log(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        with _reading():
            async with aclosing(self._logs.read(key, id, span)) as pieces:
                async for lines in pieces:
                    yield lines

    async def probes(self, key: DeploymentKey) -> tuple[Probed, ...]:
        with _reading():
            inspected = await self._observer.inspected(key)
        return tuple(found for each in inspected if (found := checks.probed(each)) is not None)

    async def stats(
        self, project: str | None = None, environment: str | None = None, stack: str | None = None, *, over: float = 0.0
    ) -> tuple[Sample, ...]:
        with _reading():
            return await self._meters.stats({"project": project, "environment": environment, "stack": stack}, over)

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

    async def look(self, paths: Collection[str]) -> Mapping[str, PathFacts]:
        elsewhere = await host.elsewhere(self._url)
        if elsewhere:
            return {path: PathFacts(path, unknown=elsewhere) for path in paths}
        return await self._paths.look(paths)

    async def _sources(self, binds: Collection[Bind]) -> Mapping[str, str]:
        """What the engine has to mount for each bind's source. On another machine that is the source: nobody here can follow its links."""
        if not binds:
            return {}
        if await host.elsewhere(self._url):
            return {bind.source: bind.source for bind in binds}
        return await self._paths.resolve(self._site, binds)

    def exec(self, key: DeploymentKey, id: InstanceId, command: Command) -> AbstractAsyncContextManager[Stream]:
        return self._streams.exec(key, id, command)

    def run(self, key: DeploymentKey, step: Create, command: Command) -> AbstractAsyncContextManager[Stream]:
        return self._streams.run(key, step, command)

    def dial(self, key: DeploymentKey, id: InstanceId, port: int) -> AbstractAsyncContextManager[Stream]:
        return self._streams.dial(key, id, port)

    async def stat(self, key: DeploymentKey, id: InstanceId, path: str) -> FileStat | None:
        return await self._streams.stat(key, id, path)

    def read_files(self, key: DeploymentKey, id: InstanceId, path: str) -> AbstractAsyncContextManager[Stream]:
        return self._streams.read_files(key, id, path)

    def write_files(self, key: DeploymentKey, id: InstanceId, directory: str) -> AbstractAsyncContextManager[Stream]:
        return self._streams.write_files(key, id, directory)

    async def _everything(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Containers, networks and volumes of the site, as the engine lists them."""
        filters = labels.selector(self._site.id)
        with _reading():
            containers, networks, volumes = await asyncio.gather(
                self._client.get("containers/json", all="true", filters=filters),
                self._client.get("networks", filters=filters),
                self._client.get("volumes", filters=filters),
            )
        self._streams.one_offs.sweep(containers)
        await self._streams.execs.sweep()
        lasting = [c for c in containers if c["Labels"].get(labels.KIND) != Kind.ONE_OFF.value]
        return lasting, networks, list(volumes.get("Volumes") or ())

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
                await self._instances.create(key, step)
            case Start():
                await self._instances.start(key, step)
            case Stop():
                await self._instances.stop(key, step)
            case Remove():
                await self._instances.remove(key, step)
            case RemoveFiles():
                await self._files.remove(key, step.service, step.digest)
            case RemoveNetwork():
                await self._files.sweep(key)  # the last step of a removal: nothing half-done stays behind
                await self._sweep_scratch(key)
                await self._streams.one_offs.evict(key, network=labels.network(self._site.id, key, step.network))
                await self._groups.sweep(key)
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
            await self._streams.one_offs.evict(key, volume=name)
            await self._client.delete(f"volumes/{name}")
        except DockerError as error:
            if error.status == 409:
                raise Failed(f"Volume {volume} is still used by a container.", volume=volume) from error
            if error.status != 404:
                raise


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
