"""Addresses that a container's own name resolution must not lead to: the host's, the platform's, and other stacks'."""

from __future__ import annotations

import ipaddress

from spin.site import Site

_METADATA = frozenset({"168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"})
"""Where clouds tell a machine its own credentials, beside 169.254.0.0/16: Azure, Alibaba, Oracle, AWS and Google over IPv6."""


def why_not(address: str, site: Site) -> str | None:
    """What is there; None where nothing speaks against it. `address` as lowering leaves it."""
    if address == "host-gateway":
        return "the platform's own host"
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    if found.is_link_local or str(found) in _METADATA:
        return "the machine's own services, such as a cloud's metadata"
    if found.is_loopback or found.is_unspecified or found.is_multicast or found.is_reserved:
        return "no other machine"
    if found in ipaddress.ip_network(site.subnets):
        return "the stacks' own networks, where addresses come and go"
    if str(found) in {site.address, *(c.address for c in site.port_classes)}:
        return "the platform's own host"
    return None


def why_not_name(name: str, site: Site) -> str | None:
    """Whose name it is, where it is none that a stack may give; in lower case."""
    registry = site.registry_host.rpartition(":")[0].lower()
    domain = site.domain.lower()
    if name in ("localhost", registry, domain) or name.endswith((".localhost", "." + domain)):
        return "is one of the platform's own names"
    return None
