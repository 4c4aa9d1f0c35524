"""Configs and secrets as files in containers.

The files of one service and template digest are put into a volume of their own, and its containers bind-mount each single file
from there, read-only: any owner and mode, also below a read-only root, still there after a restart or a reboot. Nothing runs for
it, and no path of Spin's own host is involved: a tar stream is handed to the engine through a helper container that mounts the
volume and is never started.

Labels of a volume cannot be changed later, so that delivery is complete is said by a second, empty volume, made last and removed
first: one list of volumes shows both, and a process killed between the two leaves a delivery that is plainly unfinished.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import helpers, labels
from spin.engines.docker.client import Client
from spin.engines.docker.labels import Kind
from spin.errors import Failed, NotFound
from spin.model.names import DeploymentKey
from spin.model.stack import Grant
from spin.model.steps import DeliverFiles
from spin.ports.engine import FileContents
from spin.site import Site

_DOOR = "/.spin-files"  # where the helper mounts the volume; no image has anything there


def file_name(target: str) -> str:
    """The name in the volume of the file that containers see at `target`."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]


def archive(entries: Iterable[tuple[Grant, bytes]]) -> bytes:
    """A tar stream with a file for each grant."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for grant, content in entries:
            member = tarfile.TarInfo(file_name(grant.target))
            member.uid, member.gid, member.mode, member.size = grant.uid, grant.gid, grant.mode, len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def delivered(volumes: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The (service, template digest) pairs of which a deployment's `volumes` hold all files, sorted."""
    seen: dict[str, set[tuple[str, str]]] = {Kind.FILES.value: set(), Kind.DELIVERED.value: set()}
    for volume in volumes:
        marks = volume["Labels"]
        if marks.get(labels.KIND) in seen:
            seen[marks[labels.KIND]].add((marks.get(labels.SERVICE, ""), marks.get(labels.DIGEST, "")))
    return tuple(sorted(seen[Kind.FILES.value] & seen[Kind.DELIVERED.value]))


class Files:
    def __init__(self, client: Client, site: Site, contents: FileContents) -> None:
        self._client = client
        self._site = site
        self._contents = contents
        self._under_way: set[str] = set()
        self._sweeping = asyncio.Lock()

    async def deliver(self, key: DeploymentKey, step: DeliverFiles) -> None:
        """Raises Failed when a secret is not stored or the image is missing."""
        name = labels.files(self._site.id, key, step.service, step.digest)
        async with self._sweeping:  # a sweep that began before this delivery must not take it for an old one
            await self._sweep(key)
            self._under_way.add(name)
        try:
            which = {labels.SERVICE: step.service, labels.DIGEST: step.digest}
            content = archive([*((g, c.content) for g, c in step.configs), *await self._secrets(key, step)])
            await self._ensure(key, Kind.FILES, name, which)
            await self._write(key, name, step.image, which, content)
            await self._ensure(key, Kind.DELIVERED, f"{name}-delivered", which)
        finally:
            self._under_way.discard(name)

    async def paths(
        self, key: DeploymentKey, service: str, digest: str, volumes: list[dict[str, Any]], grants: Iterable[Grant]
    ) -> dict[str, str]:
        """Where the engine's host has each granted file, by its target. Raises Failed unless the delivery is complete."""
        grants = tuple(grants)
        if not grants:
            return {}
        if (service, digest) not in delivered(volumes):
            raise Failed(f"The configs and secrets of {service} have not been delivered to the engine yet.", service=service)
        name = labels.files(self._site.id, key, service, digest)
        root = next(v["Mountpoint"] for v in volumes if v["Name"] == name)
        return {g.target: f"{root}/{file_name(g.target)}" for g in grants}

    async def remove(self, key: DeploymentKey, service: str, digest: str) -> None:
        await self._remove(key, labels.files(self._site.id, key, service, digest))
        await self.sweep(key)

    async def sweep(self, key: DeploymentKey) -> None:
        """Remove what deliveries that were killed half-way have left, except those under way in this process."""
        async with self._sweeping:
            await self._sweep(key)

    async def _sweep(self, key: DeploymentKey) -> None:
        spared = set(self._under_way)  # before the list is made: some may be finished when it arrives
        volumes = await volumes_of(self._client, self._site.id, key)
        whole = set(delivered(volumes))
        for volume in volumes:
            marks = volume["Labels"]
            pair = (marks.get(labels.SERVICE, ""), marks.get(labels.DIGEST, ""))
            unfinished = marks.get(labels.KIND) in (Kind.FILES.value, Kind.DELIVERED.value) and pair not in whole
            name = labels.files(self._site.id, key, *pair)
            if unfinished and name not in spared:
                await self._remove(key, name)

    async def _secrets(self, key: DeploymentKey, step: DeliverFiles) -> list[tuple[Grant, bytes]]:
        found = []
        for grant, stored, version in step.secrets:
            try:
                found.append((grant, await self._contents.secret(key, stored, version)))
            except NotFound as error:
                raise Failed(f"Secret {stored} is not stored (version {version}).", secret=stored) from error
        return found

    async def _ensure(self, key: DeploymentKey, kind: Kind, name: str, which: Mapping[str, str]) -> None:
        ours = labels.labels_for(self._site.id, key, kind, which)
        made = await self._client.post("volumes/create", {"Name": name, "Driver": "local", "Labels": ours})
        labels.require(f"A volume {name}", made, ours)  # the engine answers with the volume that has the name, whosever it is

    async def _write(self, key: DeploymentKey, volume: str, image: str, which: Mapping[str, str], content: bytes) -> None:
        ours = labels.labels_for(self._site.id, key, Kind.HELPER, which)
        mount = {"Type": "volume", "Source": volume, "Target": _DOOR, "VolumeOptions": {"NoCopy": True}}
        helper = f"{volume}-helper"
        async with helpers.never_started(self._client, helper, image, ours, [mount]):
            await self._client.ask("PUT", f"containers/{helper}/archive", params={"path": _DOOR}, data=content)

    async def _remove(self, key: DeploymentKey, name: str) -> None:
        """The marker first: what is half gone must not look whole."""
        for thing, kind in ((f"{name}-delivered", Kind.DELIVERED), (f"{name}-helper", Kind.HELPER), (name, Kind.FILES)):
            path = f"containers/{thing}" if kind is Kind.HELPER else f"volumes/{thing}"
            try:
                found = await self._client.get(f"{path}/json" if kind is Kind.HELPER else path)
            except DockerError as error:
                if error.status != 404:
                    raise
                continue
            ours = labels.labels_for(self._site.id, key, kind)
            labels.require(f"{thing}", found["Config"] if kind is Kind.HELPER else found, ours)
            await helpers.remove(self._client, path)


async def volumes_of(client: Client, site: str, key: DeploymentKey) -> list[dict[str, Any]]:
    """Every volume of the deployment as the engine lists it, of all kinds."""
    answer = await client.get("volumes", filters=labels.selector(site, key))
    return list(answer.get("Volumes") or ())
