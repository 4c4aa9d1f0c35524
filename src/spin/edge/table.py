"""Which hosts the edge knows, as a value: who owns each, and how many upstreams it has in the configuration. Pure.

Hosts and targets that are not plain names and addresses are left out: Caddy would expand `{placeholders}` and `*` in them, and a
host is the name of a directory.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from spin.kit.canonical import digest
from spin.model.observed import Route

FEWEST = 20
"""Upstreams of a host. Spread over up to 5 targets, none gets more than 1.05 of its due; over 6, 1.2."""
GROWTH = 4
"""A host that needs more gets this many times as many: changing their number costs a new configuration, so it is done seldom."""
PER_TARGET = 2
"""Upstreams that each target has at least: up to 10 targets need no more than the fewest, and none gets 1.5 of its due."""

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_OWNER = re.compile(r"[^\s{}]+")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the configuration. Where its upstreams lead is not in it, but in a file for each."""

    name: str
    owner: str
    slots: int
    """Number of its upstreams."""


@dataclass(frozen=True)
class Table:
    """All hosts, sorted by name."""

    hosts: tuple[Host, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Host]:
        return {host.name: host for host in self.hosts}

    @cached_property
    def by_owner(self) -> Mapping[str, tuple[Host, ...]]:
        found: dict[str, list[Host]] = {}
        for host in self.hosts:
            found.setdefault(host.owner, []).append(host)
        return {owner: tuple(hosts) for owner, hosts in found.items()}

    @cached_property
    def marker(self) -> str:
        """The same for the same table, and for no other."""
        return digest([[host.name, host.owner, host.slots] for host in self.hosts])


def slots_for(targets: int) -> int:
    """How many upstreams a host with so many targets needs."""
    slots = FEWEST
    while slots < targets * PER_TARGET:
        slots *= GROWTH
    return slots


def clean(owner: str, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The owner's routes as they can be in force: each host once, sorted; targets sorted and once."""
    table: dict[str, Route] = {}
    for route in sorted(routes, key=lambda r: r.host):
        if _HOST.fullmatch(route.host) and _OWNER.fullmatch(owner) and route.owner == owner:
            targets = tuple(sorted({t for t in route.targets if _is_target(t)}))
            table.setdefault(route.host, Route(route.host, owner, targets, hold=route.hold and not targets))
    return tuple(table.values())


def merge(table: Table, changes: Mapping[str, tuple[Route, ...]]) -> tuple[Table, tuple[Route, ...]]:
    """The table after owners have got (clean) routes, and those routes whose hosts are theirs.

    A host that another owner keeps stays theirs. A host never gets fewer upstreams than it has. The very same table comes back where
    nothing differs, at a cost that does not depend on other owners' hosts.
    """
    wanted = {owner: _hosts(table, owner, routes) for owner, routes in changes.items()}
    if all(table.by_owner.get(owner, ()) == hosts for owner, hosts in wanted.items()):
        return table, _held(table, changes)
    names = {(owner, route.host) for owner, routes in changes.items() for route in routes}
    after = {h.name: h for h in table.hosts if h.owner not in changes or (h.owner, h.name) in names}
    for owner, routes in changes.items():
        for route in routes:
            if after.setdefault(route.host, Host(route.host, owner, 0)).owner == owner:
                after[route.host] = Host(route.host, owner, _slots(table, owner, route))
    merged = Table(tuple(sorted(after.values(), key=lambda h: h.name)))
    return merged, _held(merged, changes)


def spread(targets: tuple[str, ...], slots: int) -> tuple[str, ...]:
    """What each of a host's upstreams leads to. Neighbours differ."""
    return tuple(targets[slot % len(targets)] for slot in range(slots))


def _hosts(table: Table, owner: str, routes: Iterable[Route]) -> tuple[Host, ...]:
    free = (r for r in routes if r.host not in table.by_name or table.by_name[r.host].owner == owner)
    return tuple(Host(r.host, owner, _slots(table, owner, r)) for r in free)


def _held(table: Table, changes: Mapping[str, tuple[Route, ...]]) -> tuple[Route, ...]:
    return tuple(r for owner, routes in changes.items() for r in routes if table.by_name[r.host].owner == owner)


def _slots(table: Table, owner: str, route: Route) -> int:
    needed = slots_for(len(route.targets))
    host = table.by_name.get(route.host)
    return max(needed, host.slots) if host is not None and host.owner == owner else needed


def _is_target(target: str) -> bool:
    """Whether it is `address:port`, an IPv6 address in brackets."""
    host, _, port = target.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return False
    return bracketed == (address.version == 6) and "%" not in host and port.isascii() and port.isdigit() and 0 < int(port) < 65536
