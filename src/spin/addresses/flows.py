"""Flows that the kernel goes on to lead where they were led first, though the table of service addresses now says otherwise.

A TCP connection to a container that is gone is reset, and made anew. UDP has no connections: the kernel takes the datagrams of one
client's port for one flow, and decides on the first of them only, for as long as they come. In the same way a connection that was
tried while there was no table would stay astray, however often its first packet is repeated.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator
from ipaddress import IPv4Network
from typing import Final, NamedTuple

from spin.addresses import netlink

_CONNECTIONS: Final = 1 << 8  # NFNL_SUBSYS_CTNETLINK
_GET: Final = _CONNECTIONS | 1
_DELETE: Final = _CONNECTIONS | 2
_ORIGINAL, _REPLY, _ID, _FILTER = 1, 2, 12, 25
_ADDRESSES, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _FILTER_ORIGINAL = 1, 1
_BY_DESTINATION_AND_PROTOCOL: Final = struct.pack("=L", 1 << 1 | 1 << 3)
_UDP: Final = 17

Led = tuple[str, str]
"""(stable address, IP address of the container)"""


class _Flow(NamedTuple):
    protocol: int
    destination: str
    """Whereto the client sends."""
    answering: str
    """Who answers."""
    name: bytes
    """What tells the kernel which one is meant."""


def forget_datagrams(gone: Collection[Led]) -> int:
    """Forget the UDP flows from these addresses to these containers; returns how many there were. Raises OSError."""
    count = 0
    for address in sorted({address for address, _ in gone}):
        for flow in _flows(_only_datagrams_to(address)):
            if flow.protocol == _UDP and (flow.destination, flow.answering) in gone:
                count += _forget(flow)
    return count


def forget_strays(ranges: Collection[IPv4Network]) -> int:
    """Forget what was sent to addresses of these ranges and led to no container; returns how many flows there were. Raises OSError."""
    lengths = {r.prefixlen for r in ranges}
    strays = [f for f in _flows() if f.destination == f.answering and _networks(f.destination, lengths) & set(ranges)]
    return sum(_forget(flow) for flow in strays)


def _networks(address: str, lengths: Collection[int]) -> set[IPv4Network]:
    return {IPv4Network((address, length), strict=False) for length in lengths}


def _forget(flow: _Flow) -> bool:
    try:
        netlink.ask(_DELETE, netlink.ACKNOWLEDGE, flow.name)
    except FileNotFoundError:
        return False  # it has ended meanwhile
    return True


def _only_datagrams_to(address: str) -> bytes:
    """A filter, which kernels before 5.8 overlook."""
    addresses = netlink.attribute(_ADDRESSES, netlink.attribute(_DESTINATION, socket.inet_aton(address)), nested=True)
    protocol = netlink.attribute(_PROTOCOL, netlink.attribute(_NUMBER, bytes([_UDP])), nested=True)
    compared = netlink.attribute(_FILTER_ORIGINAL, _BY_DESTINATION_AND_PROTOCOL)
    return netlink.attribute(_ORIGINAL, addresses + protocol, nested=True) + netlink.attribute(_FILTER, compared, nested=True)


def _flows(chosen: bytes = b"") -> Iterator[_Flow]:
    """The IPv4 flows that the kernel knows."""
    for message in netlink.ask(_GET, netlink.DUMP, chosen):
        flow = netlink.attributes(message.body)
        original, reply = (netlink.attributes(flow[way]) for way in (_ORIGINAL, _REPLY))
        destination = netlink.attributes(original[_ADDRESSES]).get(_DESTINATION)
        answering = netlink.attributes(reply[_ADDRESSES]).get(_SOURCE)
        if destination is None or answering is None:
            continue  # IPv6
        yield _Flow(
            protocol=netlink.attributes(original[_PROTOCOL])[_NUMBER][0],
            destination=socket.inet_ntoa(destination),
            answering=socket.inet_ntoa(answering),
            name=netlink.attribute(_ORIGINAL, flow[_ORIGINAL], nested=True) + netlink.attribute(_ID, flow[_ID]),
        )
