"""Whether a Docker Engine's bridges are network interfaces of this machine."""

from __future__ import annotations

from aiodocker.exceptions import DockerError

from spin.engines.docker.client import Client
from spin.errors import EngineUnavailable


async def elsewhere(url: str | None) -> str:
    """Why the engine's networks are not on this machine, in one sentence; empty if they are. `url`: as for DockerEngine.

    An engine that does not answer now is judged by its address.
    """
    client = Client(url)
    try:
        if not client.local:
            return "The Docker Engine runs on another machine."
        info = await client.get("info")
    except (EngineUnavailable, DockerError):
        return ""
    finally:
        await client.close()
    if any("name=rootless" in option for option in info.get("SecurityOptions") or ()):
        return "The Docker Engine is rootless: its networks are in a namespace of their own."
    if "Docker Desktop" in str(info.get("OperatingSystem", "")):
        return "The Docker Engine runs in Docker Desktop's virtual machine."
    return ""
