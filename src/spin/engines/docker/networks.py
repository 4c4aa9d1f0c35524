"""Networks of the stacks: a bridge each, with a subnet that Spin chooses.

Docker would choose subnets itself, from pools that are used up after some 31 networks. Bridges are isolated from each other by
Docker's own rules (chain DOCKER-ISOLATION), so no stack reaches another's containers.

Where services have stable addresses, Docker gives containers the lower half of a subnet only (`IPRange`). A network that was made
without that bound has no stable addresses, since a container may have any of its addresses.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import Client
from spin.engines.docker.labels import Kind
from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.observed import Link
from spin.model.stack import Network
from spin.model.subnets import bridge_prefix, halves
from spin.site import Site

Subnet = ipaddress.IPv4Network

_ROUTES = Path("/proc/net/route")
_BRIDGE = "com.docker.network.bridge.name"
_OVERLAPS = ("Pool overlaps with other one", "networks have overlapping IPv4")
"""The engine's words for a subnet that is taken: by its list of addresses, or (a moment longer, at a removal) by a bridge that is not
gone yet. Seen with 20.10: removals and creations at the same time."""


def free_subnets(pool: Subnet, prefix: int, taken: Iterable[Subnet]) -> Iterator[Subnet]:
    """The subnets of `pool` with that prefix length that overlap nothing in `taken`, lowest first."""
    size = 1 << (32 - prefix)
    busy = sorted((int(t.network_address), int(t.broadcast_address)) for t in taken if t.overlaps(pool))
    start, end = int(pool.network_address), int(pool.broadcast_address)
    while start + size - 1 <= end:
        while busy and busy[0][1] < start:
            busy.pop(0)
        if busy and busy[0][0] <= start + size - 1:
            start += -(-(busy[0][1] + 1 - start) // size) * size  # the first aligned start beyond it
            continue
        yield Subnet((start, prefix))
        start += size


def subnets_of(networks: Iterable[dict[str, Any]]) -> Iterator[Subnet]:
    """The IPv4 subnets of networks as the engine lists them."""
    return (subnet for network in networks for subnet, _ in _ranges(network))


def _ranges(network: dict[str, Any]) -> Iterator[tuple[Subnet, Subnet]]:
    """The network's IPv4 subnets, and of each what the engine may give to containers."""
    for config in (network.get("IPAM") or {}).get("Config") or ():
        with suppress(ValueError):  # an IPv6 subnet, or none
            subnet = Subnet(config.get("Subnet", ""), strict=False)
            yield subnet, Subnet(config.get("IPRange") or str(subnet), strict=False)


def ids(listed: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The engine's id of each of a deployment's networks, by Compose name; `listed`: oldest first, which is the one that counts."""
    found: dict[str, str] = {}
    for network in listed:
        found.setdefault(network["Labels"].get(labels.NAME, ""), network["Id"])
    return found


def bridge(network: dict[str, Any]) -> str:
    """The name of its interface on the engine's host; networks from before their names were chosen have the engine's own."""
    return (network.get("Options") or {}).get(_BRIDGE) or f"br-{network['Id'][:12]}"


def links(listed: Iterable[dict[str, Any]]) -> tuple[Link, ...]:
    """A deployment's networks as its host sees them, sorted by name; `listed`: oldest first."""
    found: dict[str, Link] = {}
    for network in listed:
        name = network["Labels"].get(labels.NAME, "")
        subnet, containers = next(_ranges(network), (None, None))
        if subnet is not None and containers is not None and network.get("Driver") == "bridge":
            services = _left_for_services(subnet, containers)
            link = Link(name, bridge(network), str(subnet), bool(network.get("Internal")), services)
            found.setdefault(name, link)
    return tuple(found[name] for name in sorted(found))


def pools(listed: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What containers may have of the subnet of each of a deployment's networks, by Compose name; `listed`: oldest first."""
    found: dict[str, str] = {}
    for network in listed:
        for _, containers in _ranges(network):
            found.setdefault(network["Labels"].get(labels.NAME, ""), str(containers))
    return found


def _left_for_services(subnet: Subnet, containers: Subnet) -> str:
    """The upper half of `subnet`, if it is kept free of `containers`; else an empty text."""
    if containers == subnet:
        return ""
    _, upper = halves(subnet)
    return "" if upper.overlaps(containers) else str(upper)


def routes(table: str) -> Iterator[Subnet]:
    """The destinations in the text of /proc/net/route, without the default route."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[7] == "00000000":
            continue
        address, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[i])[::-1]) for i in (1, 7))
        yield Subnet(f"{address}/{mask}", strict=False)


Held = Callable[[], Awaitable[Iterable[Subnet]]]
"""What of the site's range is not free though no network of the engine has it."""


async def nothing() -> tuple[Subnet, ...]:
    """Implements `Held`: the engine's networks are all there is."""
    return ()


class Networks:
    """`divided`: the upper half of each new network's subnet is for stable addresses. `held` tells what else is not free."""

    def __init__(self, client: Client, site: Site, *, divided: bool, held: Held = nothing) -> None:
        self._client = client
        self._site = site
        self._divided = divided
        self._held = held
        self._allocating = asyncio.Lock()

    async def of(self, key: DeploymentKey) -> list[dict[str, Any]]:
        """The deployment's networks as the engine lists them, oldest first."""
        found = await self._client.get("networks", filters=labels.selector(self._site.id, key, Kind.NETWORK))
        return sorted(found, key=lambda n: (n["Created"], n["Id"]))

    async def bridges(self) -> frozenset[str]:
        """Those of all networks of the site."""
        found = await self._client.get("networks", filters=labels.selector(self._site.id, None, Kind.NETWORK))
        return frozenset(bridge(network) for network in found)

    async def ensure(self, key: DeploymentKey, network: Network) -> None:
        """Raises Failed when the name is taken by something foreign, or no subnet is left."""
        async with self._allocating:
            mine = await self._named(key, network.name)
            if not mine:
                await self._create(key, network)
                mine = await self._named(key, network.name)
            for younger in mine[1:]:  # the engine takes a name twice if two ask at the same moment
                await self._delete(younger["Id"])
        if mine and bool(mine[0].get("Internal")) != network.internal:
            raise Failed(
                f"Network {network.name} exists with another value of `internal`, which cannot be changed while it is there: "
                "give the network another name.",
                network=network.name,
            )

    async def remove(self, key: DeploymentKey, name: str) -> None:
        for network in await self._named(key, name):
            await self._delete(network["Id"])

    async def _named(self, key: DeploymentKey, name: str) -> list[dict[str, Any]]:
        return [n for n in await self.of(key) if n["Labels"].get(labels.NAME) == name]

    async def _create(self, key: DeploymentKey, network: Network) -> None:
        everyone = await self._client.get("networks")
        taken = [*subnets_of(everyone), *await self._held()]
        if self._client.local:
            with suppress(OSError, ValueError):
                taken += routes(_ROUTES.read_text())  # noqa: ASYNC240 - the kernel's memory, not a disk
        name = labels.network(self._site.id, key, network.name)
        ours = labels.labels_for(self._site.id, key, Kind.NETWORK, {labels.NAME: network.name})
        for subnet in free_subnets(Subnet(self._site.subnets), self._site.subnet_prefix, taken):
            bound = {"IPRange": str(halves(subnet)[0])} if self._divided else {}
            body = {
                "Name": name,
                "CheckDuplicate": True,
                "Driver": "bridge",
                "Internal": network.internal,
                "Options": {_BRIDGE: bridge_prefix(self._site.id) + secrets.token_hex(4)[:7]},
                "IPAM": {"Driver": "default", "Config": [{"Subnet": str(subnet), **bound}]},
                "Labels": {**labels.user_labels(network.labels), **ours},
            }
            try:
                await self._client.post("networks/create", body)
            except DockerError as error:
                if any(words in error.message for words in _OVERLAPS):
                    continue  # taken since the list was made
                if error.status == 409:
                    labels.require(f"A network {name}", next((n for n in await self._all() if n["Name"] == name), {}), ours)
                    return
                raise
            return
        raise Failed(
            f"No subnet is free for network {network.name}: all of {self._site.subnets} is in use. "
            "The operators can widen `subnets` in the site file.",
            network=network.name,
        )

    async def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._client.get("networks")
        return found

    async def _delete(self, id: str) -> None:
        try:
            await self._client.delete(f"networks/{id}")
        except DockerError as error:
            if error.status != 404:
                raise
