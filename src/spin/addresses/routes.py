"""Local routes: the host answers for the addresses of a network's half for services, when a container asks on the bridge who has one.

One route a network, in the kernel's table of the host's own addresses, with the bridge as its device: when the bridge goes, the
kernel takes the route away with it. Spin's routes have a protocol number of their own, and a metric that tells one site from another;
`ip route show table local proto 213` shows them. What the host itself sends there comes from 127.0.0.1, so that a refusal finds back:
without this it would come from the very address, where everything is refused.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import zlib
from collections.abc import Collection
from ipaddress import IPv4Network
from typing import Final, NamedTuple

from spin.addresses import netlink

PROTOCOL: Final = 213
"""Marks Spin's routes (rtm_protocol)."""

_NEW, _DELETE, _GET = 24, 25, 26  # RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE
_CREATE_ONLY: Final = 0x200 | 0x400  # NLM_F_EXCL, NLM_F_CREATE
_DESTINATION, _DEVICE, _METRIC, _SOURCE = 1, 4, 6, 7
_LOCAL_TABLE, _HOST_SCOPE, _LOCAL_TYPE = 255, 254, 2
_NOTHING_TO_DO: Final = frozenset({errno.ESRCH, errno.EEXIST, errno.ENODEV, errno.ENETDOWN})
"""The route is as it should be, or its bridge has gone or has not come up yet."""
_KIND: Final = struct.Struct("=BBBBL")  # table, protocol, scope, type, flags
_NUMBER: Final = struct.Struct("=L")


class LocalRoute(NamedTuple):
    range: str
    """`10.208.0.64/26`."""
    interface: str
    """Name of the bridge."""


def metric(site: str) -> int:
    """What the routes of that site have."""
    return zlib.crc32(site.encode()) or 1


def existing(metric: int) -> frozenset[LocalRoute]:
    """The site's routes. Raises OSError."""
    found = set()
    for message in netlink.ask(_GET, netlink.DUMP, _KIND.pack(_LOCAL_TABLE, 0, 0, 0, 0), whom=netlink.ROUTES):
        table, protocol, _, kind, _ = _KIND.unpack_from(message.body)
        has = netlink.attributes(message.body[_KIND.size :])
        if (table, protocol, kind) != (_LOCAL_TABLE, PROTOCOL, _LOCAL_TYPE) or _METRIC not in has or _DEVICE not in has:
            continue
        if _NUMBER.unpack(has[_METRIC])[0] == metric:
            with contextlib.suppress(OSError):  # the bridge has gone meanwhile, and the route with it
                where = f"{socket.inet_ntoa(has[_DESTINATION])}/{message.head[1]}"
                found.add(LocalRoute(where, socket.if_indextoname(_NUMBER.unpack(has[_DEVICE])[0])))
    return frozenset(found)


def keep(wanted: Collection[LocalRoute], metric: int) -> int:
    """Have exactly these routes of the site, as far as their bridges are there; returns how many were missing. Raises OSError."""
    there = existing(metric)
    for route in sorted(there - set(wanted)):
        _change(_DELETE, 0, route, metric)
    return sum(_change(_NEW, _CREATE_ONLY, route, metric) for route in sorted(set(wanted) - there))


def check_allowed(metric: int) -> None:
    """Raises OSError where Spin may not change routes."""
    _change(_DELETE, 0, LocalRoute("192.0.2.0/32", "lo"), metric)


def _change(type: int, flags: int, route: LocalRoute, metric: int) -> bool:
    """Whether there was something to change."""
    network = IPv4Network(route.range)
    try:
        device = socket.if_nametoindex(route.interface)
    except OSError:
        return False
    body = _KIND.pack(_LOCAL_TABLE, PROTOCOL, _HOST_SCOPE, _LOCAL_TYPE, 0)
    body += netlink.attribute(_DESTINATION, network.network_address.packed)
    body += netlink.attribute(_DEVICE, _NUMBER.pack(device)) + netlink.attribute(_METRIC, _NUMBER.pack(metric))
    body += netlink.attribute(_SOURCE, socket.inet_aton("127.0.0.1"))
    try:
        netlink.ask(type, netlink.ACKNOWLEDGE | flags, body, whom=netlink.ROUTES, head=bytes([network.prefixlen, 0, 0]))
    except OSError as error:
        if error.errno in _NOTHING_TO_DO:
            return False
        raise
    return True
