"""What a simulated engine holds of one deployment, and its networks."""

from __future__ import annotations

import heapq
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from spin.engines.simulated.container import Container
from spin.errors import Failed
from spin.model.names import InstanceId
from spin.model.observed import Link
from spin.model.subnets import halves

_POOL = ipaddress.IPv4Network("10.208.0.0/14")
_PREFIX = 25
_SIZE = 1 << (32 - _PREFIX)


@dataclass(slots=True)
class Net:
    """A network: addresses are given one after the other, so that one that was just freed is not given at once."""

    link: Link
    last: int = 1
    """Number within the subnet of the address that was given last; the first is the bridge's."""

    def address(self, taken: Iterable[str], *, from_top: bool = False) -> str:
        """One that is not in `taken`. Raises Failed when there is none."""
        subnet, used = ipaddress.IPv4Network(self.link.subnet), set(taken)
        if self.link.services:
            subnet, _ = halves(subnet)
        room = subnet.num_addresses - 3
        numbers = (2 + (self.last - 1 + n) % room for n in range(room))
        for number in reversed(range(2, 2 + room)) if from_top else numbers:
            if str(subnet[number]) not in used:
                self.last = self.last if from_top else number
                return str(subnet[number])
        raise Failed(f"No address is free on network {self.link.network}.", network=self.link.network)


class Subnets:
    """Which part of the pool is whose: the lowest free one is given."""

    def __init__(self) -> None:
        self._used = 0
        self._free: list[int] = []

    def take(self, network: str, *, internal: bool) -> Link:
        """Raises Failed when all are in use."""
        number = heapq.heappop(self._free) if self._free else self._used
        if number == self._used:
            self._used += 1
        start = int(_POOL.network_address) + number * _SIZE
        if start > int(_POOL.broadcast_address):
            raise Failed("All subnets are in use.", network=network)
        subnet = ipaddress.IPv4Network((start, _PREFIX))
        _, services = halves(subnet)
        return Link(network, f"br-sim{number:06}", str(subnet), internal, str(services))

    def release(self, link: Link) -> None:
        offset = int(ipaddress.IPv4Network(link.subnet).network_address) - int(_POOL.network_address)
        number = offset // _SIZE
        if 0 <= number < self._used:  # one that was taken over from another engine is not from here
            heapq.heappush(self._free, number)


@dataclass(slots=True)
class Held:
    """Everything of one deployment."""

    containers: dict[InstanceId, Container] = field(default_factory=dict)
    networks: dict[str, Net] = field(default_factory=dict)
    volumes: dict[str, datetime] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """Contents by path, for (service, template digest)."""
    version: int = 0
    """Grows with each change that somebody makes."""

    def advance(self, now: datetime) -> None:
        for container in self.containers.values():
            container.advance(now)

    def next_change(self, now: datetime) -> datetime | None:
        """When a container will next be otherwise by itself."""
        return min((t for c in self.containers.values() if (t := c.next_change(now)) is not None), default=None)

    def text(self, now: datetime) -> str:
        """Another one whenever what is observed could be another."""
        return f"{self.version} " + " ".join(f"{c.id}:{c.phase(now).value}:{c.restarts}" for c in self.containers.values())

    def taken(self, network: str, *, running: bool) -> list[str]:
        """Addresses on the network: of running containers, or those that some container keeps."""
        every = (c.addresses if running else c.kept for c in self.containers.values() if c.running or not running)
        return [addresses[network] for addresses in every if network in addresses]
