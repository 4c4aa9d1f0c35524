"""Flows of datagrams that the kernel still leads to a container which is no longer a target.

A TCP connection to a container that is gone is reset, and made anew. UDP has no connections: the kernel takes datagrams of one
client's port for one flow, and goes on to lead them where the first one went, for as long as they come.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from typing import Final

from spin.addresses import netlink

_CONNECTIONS: Final = 1 << 8  # NFNL_SUBSYS_CTNETLINK
_GET: Final = _CONNECTIONS | 1
_DELETE: Final = _CONNECTIONS | 2
_ORIGINAL, _REPLY, _ID = 1, 2, 12
_ADDRESSES, _PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER: Final = 1
_UDP: Final = 17

Led = tuple[str, str]
"""(stable address, IP address of the container)"""


def forget(gone: Collection[Led]) -> int:
    """Forget the UDP flows from these addresses to these containers; returns how many there were. Raises OSError."""
    count = 0
    for led, original, number in _datagrams():
        if led in gone:
            try:
                which = netlink.attribute(_ORIGINAL, original, nested=True) + netlink.attribute(_ID, number)
                netlink.ask(_DELETE, netlink.ACKNOWLEDGE, which)
            except FileNotFoundError:
                continue  # it has ended meanwhile
            count += 1
    return count


def _datagrams() -> Iterator[tuple[Led, memoryview, memoryview]]:
    """All UDP flows of the host: whereto and who answers, the first direction as the kernel writes it, and its id."""
    for message in netlink.ask(_GET, netlink.DUMP):
        flow = netlink.attributes(message.body)
        original, reply = (netlink.attributes(flow[way]) for way in (_ORIGINAL, _REPLY))
        if netlink.attributes(original[_PROTOCOL])[_NUMBER][0] != _UDP:
            continue
        destination = netlink.attributes(original[_ADDRESSES]).get(_DESTINATION)
        answering = netlink.attributes(reply[_ADDRESSES]).get(_SOURCE)
        if destination is not None and answering is not None:
            yield (socket.inet_ntoa(destination), socket.inet_ntoa(answering)), flow[_ORIGINAL], flow[_ID]
