"""Containers, from their creation to their removal."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import altered, containers, files, labels, retained
from spin.engines.docker import networks as nets
from spin.engines.docker.client import Client, lasting
from spin.engines.docker.files import Files
from spin.engines.docker.groups import Groups
from spin.engines.docker.images import Images
from spin.engines.docker.labels import Kind
from spin.engines.docker.networks import Networks
from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.stack import Bind, Restart, ServiceSpec
from spin.model.steps import Create, Remove, Start, Stop
from spin.site import Site

SLACK = 60.0
"""Seconds that the engine may take for a start, and for a stop beyond the grace it was given."""


class Instances:
    """`service_addresses`: containers are told the other services' stable addresses. `sources`: what is mounted for each path of one of
    the site's filesystems, by the path; raises Failed where it must not be."""

    def __init__(
        self,
        client: Client,
        site: Site,
        networks: Networks,
        images: Images,
        files: Files,
        groups: Groups,
        sources: Callable[[Collection[Bind]], Awaitable[Mapping[str, str]]],
        *,
        service_addresses: bool,
    ) -> None:
        self._client = client
        self._site = site
        self._networks = networks
        self._images = images
        self._files = files
        self._groups = groups
        self._sources = sources
        self._service_addresses = service_addresses
        self._cpus: int | None = None

    async def create(self, key: DeploymentKey, step: Create) -> None:
        spec = step.spec
        body = await self.body(key, step)
        name = labels.container(self._site.id, key, spec.name, step.slot, step.digest, step.attempt)
        try:
            await self._client.post("containers/create", body, name=name)
        except DockerError as error:
            if error.status != 409:
                self._images.changed()  # perhaps it was believed to be there
                raise
            ours = labels.labels_for(self._site.id, key, Kind.CONTAINER, containers.identity(step))
            labels.require(f"A container {name}", (await self._client.get(f"containers/{name}/json"))["Config"], ours)

    async def body(self, key: DeploymentKey, step: Create) -> dict[str, Any]:
        """What the engine is asked to create. Raises Failed where something is missing that it needs."""
        spec = step.spec
        networks, volumes, api, cpus = await asyncio.gather(
            self._networks.of(key), files.volumes_of(self._client, self._site.id, key), self._client.api(), self._host_cpus()
        )
        ids = nets.ids(networks)
        missing = [f"network {a.network}" for a in spec.networks if a.network not in ids]
        held = {v["Labels"].get(labels.NAME) for v in volumes if v["Labels"].get(labels.KIND) == Kind.VOLUME.value}
        missing += [f"volume {m.volume}" for m in spec.mounts if m.volume not in held]
        if missing:
            raise Failed(f"{spec.name} cannot be created: there is no {' and no '.join(missing)} of this stack on the engine.")
        name = labels.container(self._site.id, key, spec.name, step.slot, step.digest, step.attempt)
        if spec.binds:
            await self._groups.check(key, step, name)
        links = {link.network: link for link in nets.links(networks)}
        return containers.create_body(
            self._site,
            key,
            step,
            networks=ids,
            files=await self._files.paths(key, spec.name, step.digest, volumes, (*spec.configs, *spec.secrets)),
            api=api,
            cpus=cpus,
            sources=await self._sources(spec.binds),
            hosts=containers.peer_hosts(step, links) if self._service_addresses else {},
            kept=await self._kept(key, step, nets.pools(networks)),
            image_interval=await self._image_interval(spec),
        )

    async def _image_interval(self, spec: ServiceSpec) -> int:
        """Nanoseconds between two checks, as the image says, where that counts; 0 where it does not."""
        check = spec.healthcheck
        return await self._images.check_interval(spec.image.pinned) if check is None or not check.test else 0

    async def join_networks(self, key: DeploymentKey, container: Mapping[str, Any]) -> None:
        """Connect it to those of its networks that it is not on."""
        await self._join_networks(key, container, await self._networks.of(key))

    async def start(self, key: DeploymentKey, step: Start) -> None:
        found, networks = await asyncio.gather(self._mine(key, step.id), self._networks.of(key))
        if found is None:
            raise Failed(f"{step.name} cannot be started: it is gone.")
        if found["State"]["Running"]:
            return
        await self._join_networks(key, found, networks)
        policy = altered.restart_policy(found["Config"]["Labels"])
        if policy is not None and policy["Name"] != found["HostConfig"]["RestartPolicy"]["Name"]:
            await self._client.post(f"containers/{step.id}/update", {"RestartPolicy": policy})  # `stop` has taken it away
        await self._client.ask("POST", f"containers/{step.id}/start", timeout=lasting(SLACK))

    async def stop(self, key: DeploymentKey, step: Stop) -> None:
        found = await self._mine(key, step.id)
        if found is None:
            return
        grace = math.ceil(step.grace_ms / 1000)
        try:
            if found["State"]["Paused"]:
                await self._client.post(f"containers/{step.id}/unpause")  # or it could not hear the signal
            timeout = lasting(grace + SLACK)
            await self._client.ask("POST", f"containers/{step.id}/stop", params={"t": str(grace)}, timeout=timeout)
            if found["HostConfig"]["RestartPolicy"]["Name"] == Restart.ON_FAILURE.value:
                # The engine would start it again when it is itself restarted: being stopped has made it exit with an error.
                await self._client.post(f"containers/{step.id}/update", {"RestartPolicy": {"Name": Restart.NO.value}})
        except DockerError as error:
            if error.status != 404:
                raise

    async def remove(self, key: DeploymentKey, step: Remove) -> None:
        if await self._mine(key, step.id) is None:
            return
        try:
            await self._client.delete(f"containers/{step.id}", v="true")  # with its anonymous volumes; named ones stay
        except DockerError as error:
            if error.status == 409 and "already in progress" in error.message:
                return
            if error.status != 404:
                raise

    async def _kept(self, key: DeploymentKey, step: Create, pools: Mapping[str, str]) -> dict[str, str]:
        if not step.spec.retain_ip or self._service_addresses:
            return {}
        filters = labels.selector(self._site.id, key, Kind.CONTAINER)
        return retained.kept_addresses(step, pools, await self._client.get("containers/json", all="true", filters=filters))

    async def _join_networks(self, key: DeploymentKey, container: Mapping[str, Any], networks: list[dict[str, Any]]) -> None:
        """Connect it to those of its networks that it is not on, and to no others.

        Engines before API 1.44 create containers on one network only; and a network that was removed and made again while the
        container did not run is another one to the engine.
        """
        marks, joined = container["Config"]["Labels"], container["NetworkSettings"]["Networks"]
        wanted = json.loads(marks.get(labels.NETWORKS, "[]"))
        if not wanted:
            return
        ids, pools = nets.ids(networks), nets.pools(networks)
        by_name = {labels.network(self._site.id, key, name): network for name, network in ids.items()}
        there = set()
        for name, joint in joined.items():
            network = joint["NetworkID"] or by_name.get(name, name)  # before the first start the engine has what it was told only
            if network in ids.values():
                there.add(network)
            else:
                await self._client.post(f"networks/{name}/disconnect", {"Container": container["Id"], "Force": True})
        for name, aliases in wanted:
            if name not in ids:
                raise Failed(f"There is no network {name} of this stack on the engine.", network=name)
            if ids[name] not in there:
                address = retained.within(retained.of(marks).get(name), pools[name])
                body = {"Container": container["Id"], "EndpointConfig": containers.endpoint(aliases, address)}
                await self._client.post(f"networks/{ids[name]}/connect", body)

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
