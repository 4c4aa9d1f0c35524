"""How a network's subnet is divided: its lower half is for containers, its upper half for the services' stable addresses.

All of them are neighbours on one link, so a container needs no route to a stable address, and an internal network has them too.
"""

from __future__ import annotations

from ipaddress import IPv4Network


def halves(subnet: IPv4Network) -> tuple[IPv4Network, IPv4Network]:
    """(for containers, for services). Raises ValueError for a subnet of one address."""
    lower, upper = subnet.subnets()
    return lower, upper


def service_address(services: str, number: int) -> str | None:
    """The address of service `number` (from 1, downwards from the top) in a network's half for services; None where it has no room."""
    half = IPv4Network(services)
    return str(half.broadcast_address - number) if 0 < number < half.num_addresses else None
