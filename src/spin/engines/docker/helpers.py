"""Containers that are never started: the engine opens their files to us, and nothing of them runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import Client


@asynccontextmanager
async def never_started(
    client: Client, name: str, image: str, ours: Mapping[str, str], mounts: Sequence[Mapping[str, Any]] = ()
) -> AsyncIterator[None]:
    """A container of that name, with the labels `ours`, that is gone at the end of the block.

    One that a killed process has left under the name is taken over. Raises Failed where it is somebody else's.
    """
    body = {
        "Image": image,
        "Entrypoint": ["never-started"],
        "Labels": ours,
        "NetworkDisabled": True,
        "HostConfig": {"NetworkMode": "none", "Mounts": list(mounts)},
    }
    try:
        await client.post("containers/create", body, name=name)
    except DockerError as error:
        if error.status != 409:
            raise
        labels.require(f"A container {name}", (await client.get(f"containers/{name}/json"))["Config"], ours)
    try:
        yield
    finally:
        await remove(client, f"containers/{name}", v="true")


async def remove(client: Client, path: str, **params: str) -> None:
    """Remove that thing, unless it is gone already."""
    try:
        await client.delete(path, **params)
    except DockerError as error:
        if error.status != 404:
            raise
