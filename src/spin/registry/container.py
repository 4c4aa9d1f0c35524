"""The registry as a container of the official image, for machines where no registry is installed and nobody may install one."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path

import aiodocker
import aiohttp
from aiodocker.exceptions import DockerError

from spin.errors import Failed
from spin.registry.keys import SigningKey
from spin.registry.process import answers, configuration, http_secret
from spin.site import Site

IMAGE = "registry:2"
PORT = 5000
"""Port within the container."""
READY_WITHIN = 30.0
"""Seconds until it must answer."""
LOOK_EVERY = 0.1


class ContainerRegistry:
    """Started and stopped with the platform; Docker brings it back when it dies. Its images are in a volume of its own."""

    def __init__(self, site: Site, directory: Path, key: SigningKey, url: str | None = None) -> None:
        self._site = site
        self._directory = directory
        self._key = key
        self._url = url
        self.name = f"spin-{site.id}-registry"

    async def start(self) -> None:
        """Have it running and answering. Raises Failed, with the engine's reason."""
        try:
            async with aiodocker.Docker(self._url) as docker:
                await self._run(docker)
        except (DockerError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(
                f"No registry is installed (Debian: package docker-registry), and {IMAGE} could not be run on Docker: {error}"
            ) from None
        ready = answers(self._site)
        for _ in range(int(READY_WITHIN / LOOK_EVERY)):
            if await ready():
                return
            await asyncio.sleep(LOOK_EVERY)
        raise Failed(f"The registry's container ({self.name}) does not answer: see `docker logs {self.name}`.")

    async def stop(self) -> None:
        """Stop and remove the container; the images stay in their volume."""
        try:
            async with aiodocker.Docker(self._url) as docker:
                await self._remove(docker)
        except (DockerError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(f"The registry's container could not be stopped: {error}") from None

    async def _run(self, docker: aiodocker.Docker) -> None:
        try:
            await docker.images.inspect(IMAGE)
        except DockerError as error:
            if error.status != 404:
                raise
            await docker.images.pull(IMAGE)
        await self._remove(docker)
        labels = {"spin.site": self._site.id, "spin.kind": "registry"}
        await docker.volumes.create({"Name": self.name, "Labels": labels})
        container = await docker.containers.create(
            {
                "Image": IMAGE,
                "Labels": labels,
                "Entrypoint": [],
                "Cmd": ["registry", "serve", "/etc/spin-registry.yml"],
                "Env": ["OTEL_TRACES_EXPORTER=none"],
                "ExposedPorts": {f"{PORT}/tcp": {}},
                "HostConfig": {
                    "PortBindings": {f"{PORT}/tcp": [{"HostIp": self._site.address, "HostPort": str(self._site.registry_port)}]},
                    "RestartPolicy": {"Name": "unless-stopped"},
                    "Mounts": [{"Type": "volume", "Source": self.name, "Target": "/var/lib/registry"}],
                    "CapDrop": ["ALL"],
                    "SecurityOpt": ["no-new-privileges:true"],
                },
            },
            name=self.name,
        )
        await container.put_archive("/etc", self._files())
        await container.start()

    def _files(self) -> bytes:
        config = configuration(
            self._site,
            address=f":{PORT}",
            storage="/var/lib/registry",
            certificate="/etc/spin-registry.crt",
            secret=http_secret(self._directory),
        )
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            contents = {
                "spin-registry.yml": json.dumps(config).encode(),
                "spin-registry.crt": self._key.certificate_file.read_bytes(),
            }
            for name, content in contents.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o400
                tar.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    async def _remove(self, docker: aiodocker.Docker) -> None:
        try:
            container = await docker.containers.get(self.name)
        except DockerError as error:
            if error.status == 404:
                return
            raise
        if container["Config"]["Labels"].get("spin.site") != self._site.id:
            raise Failed(f"A container named {self.name} is not this site's. Remove it, or choose another site id.")
        await container.delete(force=True)
