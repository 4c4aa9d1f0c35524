"""A table of nftables that stays as this process has written it, whoever else changes the host's rules.

Each writing makes a chain without rules whose name nobody else knows: its *marker*. The kernel tells of every transaction that touches
the table (`spin.addresses.events`), so one that does not make the marker was somebody else's. Nothing is read to know that all is well,
and what is not well is known at once. What the table says, and how it is repaired, is the business of who keeps it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import structlog

from spin.addresses import netlink
from spin.addresses.events import Lost, TableEvents
from spin.addresses.program import nft
from spin.addresses.render import marker
from spin.errors import AddressesUnavailable

log = structlog.get_logger("spin.addresses")

BREATH: Final = 1.0
"""Seconds between two repairs that nobody waits for: another program that insists does not take a whole core."""
AGAIN: Final = 5.0
"""Seconds after which a repair that failed is tried again, at the latest."""

_FAMILIES: Final = {"ip": netlink.IPV4, "inet": netlink.INET}


class WatchedTable:
    """One table, of one family. Between `open` and `close` it is known whether it is as it was written. Use it from one event loop."""

    def __init__(self, family: Literal["ip", "inet"], name: str) -> None:
        self.family = family
        self.name = name
        self.marker = ""
        """Of the last writing."""
        self.intact = False
        """The kernel's table is the one that was written last, as far as events have been read (`hear`)."""
        self.lost = False
        """Events were lost since this was last set to False: then `intact` is False, though perhaps nothing has happened."""
        self._anew = False
        """The last writing was of the whole table, whatever had been there."""
        self._events: TableEvents | None = None
        self._disturbed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Listen to the kernel. Raises AddressesUnavailable where it does not let us."""
        try:
            self._events = TableEvents(self.name, _FAMILIES[self.family])
        except OSError as error:
            raise AddressesUnavailable(f"The kernel does not tell of changes of its nftables: {error.strerror}.") from None

    def keep(self, look: Callable[[], Awaitable[None]], every: float) -> None:
        """Until `close`, call `look` when the table has been disturbed, and `every` so many seconds for what the kernel does not tell.

        It repairs the table unless that is intact; where it raises AddressesUnavailable, it is called again before long.
        """
        asyncio.get_running_loop().add_reader(self._opened().fileno(), self.hear)
        self._keeping = asyncio.create_task(self._keep(look, every), name=f"keep the table {self.name}")

    async def close(self) -> None:
        """Listen no longer, and leave the table as it is."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
            self._keeping = None
            asyncio.get_running_loop().remove_reader(self._opened().fileno())
        if self._events is not None:
            self._events.close()
            self._events = None

    @property
    def opened(self) -> bool:
        return self._events is not None

    async def write(self, render: Callable[[str], str], *, anew: bool) -> None:
        """Have nft do what `render` says, given the marker of this writing, which it has to make.

        `anew`: it makes the table as a whole, so it does not matter what that was before. Raises AddressesUnavailable.
        """
        self.marker, self._anew = marker(secrets.token_hex(8)), anew
        try:
            await nft("-f", "-", stdin=render(self.marker))
        except BaseException:
            self.intact = False  # or it is, and nobody can tell: it is written again
            raise
        self.hear()

    async def remove(self) -> None:
        """Remove the table, if the host lets us."""
        with contextlib.suppress(AddressesUnavailable):
            await nft("-f", "-", stdin=f"add table {self.family} {self.name}\ndelete table {self.family} {self.name}\n")

    def hear(self) -> None:
        """Take in what the kernel has told. Nothing that was changed before this call is unknown after it."""
        try:
            for made in self._opened().read():
                self.intact = self.marker in made and (self._anew or self.intact)
        except Lost:
            self.intact, self.lost = False, True
        if not self.intact:
            self._disturbed.set()

    def _opened(self) -> TableEvents:
        if self._events is None:
            raise AddressesUnavailable(f"The table {self.name} is not open.")
        return self._events

    async def _keep(self, look: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every if self.intact else min(every, AGAIN)):
                    await self._disturbed.wait()
            self._disturbed.clear()
            intact = self.intact
            try:
                await look()
            except AddressesUnavailable as error:
                log.warning("a table of the host cannot be restored", table=self.name, reason=error.message)
                intact = False
            except Exception:  # whatever it is: who keeps a table that protects others must not end by a mistake
                log.exception("a look at a table of the host failed", table=self.name)
                intact = False
            if not intact:
                await asyncio.sleep(BREATH)
