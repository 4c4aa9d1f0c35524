"""The host's nftables as the table of service addresses.

Each change is one transaction: what was before, or what is to be, and nothing between. What this process has written is kept in
memory, and the kernel's own events (`spin.addresses.watched`) say whether the table is still that one. So a look costs nothing, and
a flush by somebody else is known at once and repaired: then the table is made anew as a whole. The local routes follow the table:
they are looked at with each change, and every few seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network
from itertools import groupby
from pathlib import Path
from typing import Final, Self

import structlog

from spin.addresses import flows, routes
from spin.addresses.events import TableEvents
from spin.addresses.program import nft, program
from spin.addresses.render import Written, checked, marker, read, read_held, refuse_clashes, render, table_name
from spin.addresses.routes import LocalRoute
from spin.addresses.watched import WatchedTable
from spin.errors import AddressesUnavailable
from spin.model.observed import ServiceAddress
from spin.site import Site

log = structlog.get_logger("spin.addresses")

LOOK_EVERY = 5.0
"""Seconds between two looks at what the kernel does not tell by itself."""

_BRIDGED: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_ARP_IGNORED: Final = tuple(Path(f"/proc/sys/net/ipv4/conf/{name}/arp_ignore") for name in ("all", "default"))

Owners = Mapping[str, tuple[ServiceAddress, ...]]


class NftAddresses:
    """Implements `spin.ports.addresses.Addresses`. Works between `start` and `close`; use it from one event loop."""

    def __init__(self, site: Site) -> None:
        self.table = table_name(site.id)
        self._metric = routes.metric(site.id)
        self._owners: Owners = {}
        """What was written last."""
        self._wanted: dict[str, tuple[ServiceAddress, ...]] = {}
        """What callers of `set_entries` that have not come to their turn want."""
        self._writing = asyncio.Lock()
        self._watched = WatchedTable("ip", self.table)
        self._masquerade = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Take over what an earlier process has left in the kernel, and keep it as it should be. Raises AddressesUnavailable."""
        self._watched.open()
        try:
            async with self._writing:
                found = await self._list()
                self._owners, self._watched.marker, self._watched.intact = _by_owner(found.entries), found.marker, found.clean
                await self._write(self._owners)
        except BaseException:
            await self._watched.close()
            raise
        await self._end(partial(flows.forget_strays, _ranges(self._owners)))
        self._watched.keep(self._keep, LOOK_EVERY)
        log.info("service addresses", table=self.table, found=len(found.entries), masquerade=self._masquerade)

    async def close(self) -> None:
        """Leave the table as it is: the stacks go on. Without any entry nobody needs it, and it is removed."""
        if not self._watched.opened:
            return
        await self._watched.close()
        if not self._owners:
            await self._watched.remove()

    async def entries(self, owner: str) -> tuple[ServiceAddress, ...]:
        self._watched.hear()
        if not self._watched.intact:
            await self._repair()
        return self._owners.get(owner, ())

    async def set_entries(self, owner: str, entries: tuple[ServiceAddress, ...]) -> None:
        """Raises Failed for entries that cannot be rules: they change nothing."""
        mine = checked(owner, entries)
        refuse_clashes({**self._owners, **self._wanted, owner: mine}.values())
        self._wanted[owner] = mine
        try:
            async with self._writing:
                self._watched.hear()
                if self._watched.intact and self._owners.get(owner, ()) == mine:
                    return  # somebody before us has taken it along, or it was so
                before = self._owners
                await self._write({**before, **self._wanted})
                gone = _led(before) - _led(self._owners)
                ranges = _ranges(self._owners) - _ranges(before)
        finally:
            if self._wanted.get(owner) is mine:
                del self._wanted[owner]
        if gone:
            await self._end(partial(flows.forget_datagrams, gone))
        if ranges:
            await self._end(partial(flows.forget_strays, ranges))

    async def _write(self, owners: Owners) -> None:
        """Replace the kernel's table. The caller holds the lock."""
        self._watched.hear()
        kept = {owner: entries for owner, entries in owners.items() if entries}
        ranges, before = _routes(kept), _routes(self._owners)
        if before - ranges:
            await self._route(before & ranges)  # or what is sent there would meet the host's own sockets for a moment
        self._masquerade = not _bridged_packets_are_tracked()
        if not (self._watched.intact and await self._change(kept)):
            await self._nft_write(Written(), kept)
        self._owners = kept
        await self._route(ranges)

    async def _route(self, wanted: frozenset[LocalRoute]) -> int:
        """Have these local routes; returns how many were missing."""
        try:
            return await asyncio.to_thread(routes.keep, wanted, self._metric)
        except OSError as error:
            raise AddressesUnavailable(f"The kernel refuses routes of service addresses: {error.strerror}.") from None

    async def _change(self, owners: Owners) -> bool:
        """Change what is to be changed; False where the table turns out not to be what it was."""
        before = Written(_entries(self._owners), self._watched.marker, clean=True)
        try:
            await self._nft_write(before, owners)
        except AddressesUnavailable as error:
            log.warning("the table of service addresses is made anew", table=self.table, reason=error.message)
            return False
        return True

    async def _nft_write(self, before: Written, owners: Owners) -> None:
        text = partial(render, self.table, before, _entries(owners), masquerade=self._masquerade)
        await self._watched.write(text, anew=not before.clean)

    async def _repair(self) -> None:
        """Have the kernel's table as it was written last."""
        async with self._writing:
            self._watched.hear()
            if self._watched.lost:
                await self._compare()
            elif self._watched.intact:
                return
            await self._write(self._owners)
        await self._end(partial(flows.forget_strays, _ranges(self._owners)))
        log.warning("the table of service addresses was changed or removed by somebody else; it is restored", table=self.table)

    async def _compare(self) -> None:
        """Look at the table itself, where events have not told all."""
        watched = self._watched
        watched.lost = False
        found = await self._list()
        watched.intact = found == Written(_entries(self._owners), watched.marker, clean=True) and not watched.lost

    async def _keep(self) -> None:
        """Repair the table when it was disturbed, or when the way of bridged packets through the kernel has changed."""
        if self._masquerade == _bridged_packets_are_tracked():
            async with self._writing:
                await self._write(self._owners)
        elif not self._watched.intact:
            await self._repair()
        else:
            async with self._writing:
                missing = await self._route(_routes(self._owners))
            if missing:
                log.warning("local routes of service addresses were missing; they are restored", count=missing)

    async def _list(self) -> Written:
        """What the kernel's table says; nothing if there is none."""
        tables = json.loads(await nft("-j", "list", "tables", "ip"))["nftables"]
        if not any(part.get("table", {}).get("name") == self.table for part in tables):
            return Written()
        return read(json.loads(await nft("-j", "list", "table", "ip", self.table)))

    async def _end(self, forget: Callable[[], int]) -> None:
        """End flows that would go on where the table no longer leads them."""
        try:
            count = await asyncio.to_thread(forget)
        except OSError as error:
            log.warning("flows that go astray could not be ended", reason=error.strerror)
            return
        if count:
            log.info("flows that went astray were ended", count=count)


async def held() -> frozenset[IPv4Network]:
    """Ranges that a table of this or another site on this host still takes for its own; none where nft does not say.

    A table outlives a platform that is killed, and for a moment the network of a stack that is removed: what is sent to such an
    address is refused, whoever has it meanwhile. So no new network gets one.
    """
    try:
        return read_held(json.loads(await nft("-j", "list", "sets", "ip")))
    except AddressesUnavailable:
        return frozenset()


async def unusable(site: Site) -> str:
    """Why service addresses cannot be had on this host, in one sentence; empty where they can."""
    if sys.platform != "linux":
        return "Service addresses need nftables, which only Linux has."
    if program() is None:
        return "Service addresses need the program nft (package nftables), which is not installed."
    trial = f"{table_name(site.id)}-trial"
    sample = ServiceAddress("a/b/c", "default", "trial", "192.0.2.1", "192.0.2.0/30", "lo", ("192.0.2.2", "192.0.2.3"))
    text = render(trial, Written(), (sample,), marker("trial"), masquerade=True)
    try:
        await nft("-f", "-", stdin=f"{text}delete table ip {trial}\n")
        TableEvents(trial).close()
    except AddressesUnavailable as error:
        return f"Spin may not change this host's nftables: {error.message}"
    except OSError as error:
        return f"Spin may not listen to changes of this host's nftables: {error.strerror}."
    try:
        routes.check_allowed(routes.metric(site.id))
    except OSError as error:
        return f"Spin may not change this host's routes: {error.strerror}."
    if any(path.read_text().strip() != "0" for path in _ARP_IGNORED):
        return (
            "This host does not answer ARP requests for all of its addresses (net.ipv4.conf.all.arp_ignore, .default.arp_ignore)."
        )
    return ""


def _bridged_packets_are_tracked() -> bool:
    """Packets between two ports of one bridge pass through the host's connection tracking, as Docker wants it."""
    try:
        return _BRIDGED.read_text().strip() == "1"
    except OSError:
        return False


def _entries(owners: Owners) -> tuple[ServiceAddress, ...]:
    return tuple(entry for owner in sorted(owners) for entry in owners[owner])


def _routes(owners: Owners) -> frozenset[LocalRoute]:
    return frozenset(LocalRoute(entry.within, entry.interface) for entries in owners.values() for entry in entries)


def _ranges(owners: Owners) -> frozenset[IPv4Network]:
    return frozenset(IPv4Network(text) for text in {entry.within for entries in owners.values() for entry in entries})


def _by_owner(entries: tuple[ServiceAddress, ...]) -> Owners:
    return {owner: tuple(group) for owner, group in groupby(entries, key=lambda e: e.owner)}


def _led(owners: Owners) -> frozenset[flows.Led]:
    return frozenset((e.address, target) for entries in owners.values() for e in entries for target in e.targets)
