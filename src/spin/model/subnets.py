"""A network on the engine's host: the name of its bridge, and how its subnet is divided.

The subnet's lower half is for containers, its upper half for the services' stable addresses. All of them are neighbours on one link, so
a container needs no route to a stable address, and an internal network has them too.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Network


def halves(subnet: IPv4Network) -> tuple[IPv4Network, IPv4Network]:
    """(for containers, for services). Raises ValueError for a subnet of one address."""
    lower, upper = subnet.subnets()
    return lower, upper


def service_address(services: str, number: int) -> str | None:
    """The address of service `number` (from 1, downwards from the top) in a network's half for services; None where it has no room."""
    half = IPv4Network(services)
    return str(half.broadcast_address - number) if 0 < number < half.num_addresses else None


def bridge_prefix(site: str) -> str:
    """What the names of the bridges of that site begin with; seven characters of fifteen are left. Rules of the host's firewall know
    a network by it before its first container starts."""
    return f"sp{hashlib.sha256(site.encode()).hexdigest()[:5]}-"
