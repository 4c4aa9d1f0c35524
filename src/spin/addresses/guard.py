"""What containers may ask of the machine that carries them: the platform's own ports, and nothing else that listens there.

Docker's rules keep stacks apart from each other, not from their host: whatever listens on all of its addresses (a database, the
operators' own tools, another platform's admin port) can be reached from a container at the bridge's gateway. So Spin has a second
table of nftables, which names the bridges of this site's networks and refuses what comes from them to the host itself. `render` is pure.

    table inet spin-<site>-guard
      set bridges       bridges of networks from before their names said whose they are
      chain input       sends what comes from a bridge of the site to `host`
      chain host        lets pass replies, echo requests, the platform's ports and the host's resolver; refuses all else
      chain forward     refuses link-local destinations (a cloud's metadata service), which no router should pass on anyway
      chain written/…   names the last writing, so that the kernel's events tell Spin's transactions from those of others

The table stays when the platform stops, as long as there are networks of the site: it protects the host from containers, and they go on.
A boot of the host takes it away and brings the containers back; so what makes the table is also kept as a file, which the host loads before
it starts the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog

from spin.addresses.render import marker, table_name
from spin.addresses.watched import WatchedTable
from spin.model.subnets import bridge_prefix
from spin.site import Site

log = structlog.get_logger("spin.guard")

LOOK_EVERY: Final = 60.0
"""Seconds between two looks at what the kernel does not tell: networks of old names, the host's resolvers."""

_RESOLVERS: Final = Path("/etc/resolv.conf")
_INTERFACES: Final = Path("/sys/class/net")

Bridges = Callable[[], Awaitable[Iterable[str] | None]]
"""Names of the bridges of all networks of the site; None while the engine does not say."""

Keep = Callable[[str], None]
"""Keeps the commands that make the table, for `nft -f`, or lets go of them: the empty text. Raises OSError."""


def guard_name(site: str) -> str:
    """The table of that site."""
    return f"{table_name(site)}-guard"


def render(site: Site, bridges: Iterable[str], resolvers: Iterable[str], written: str) -> str:
    """Commands that make the table anew, in one transaction.

    `bridges`: those whose names do not begin with the site's prefix. `resolvers`: addresses of name servers that containers ask.
    """
    table = f"inet {guard_name(site.id)}"
    ours = [f'iifname "{bridge_prefix(site.id)}*"', "iifname @bridges"]
    allowed = ["ct state established,related accept", "icmp type echo-request accept"]
    address = ipaddress.ip_address(site.address)
    if not address.is_loopback:  # or nothing from outside of the host reaches it anyhow
        where = "" if address.is_unspecified else f"ip{'6' if address.version == 6 else ''} daddr {address} "
        allowed.append(
            f"{where}tcp dport {{ {', '.join(map(str, sorted({site.api_port, site.edge_port, site.registry_port})))} }} accept"
        )
    allowed += [f"ip daddr {address} meta l4proto {{ tcp, udp }} th dport 53 accept" for address in sorted(resolvers)]
    lines = [f"add table {table}", f"delete table {table}", f"add table {table}", f"add chain {table} {written}"]
    lines.append(f"add set {table} bridges {{ type ifname; }}")
    if named := ", ".join(f'"{name}"' for name in sorted(bridges)):
        lines.append(f"add element {table} bridges {{ {named} }}")
    lines += [
        f"add chain {table} host",
        *(f"add rule {table} host {rule}" for rule in allowed),
        f"add rule {table} host meta l4proto tcp reject with tcp reset",
        f"add rule {table} host reject",
    ]
    for hook in ("input", "forward"):
        lines.append(f"add chain {table} {hook} {{ type filter hook {hook} priority filter - 10; policy accept; }}")
    lines += [f"add rule {table} input {bridge} jump host" for bridge in ours]
    for bridge in ours:
        lines += [f"add rule {table} forward {bridge} {to} reject" for to in ("ip daddr 169.254.0.0/16", "ip6 daddr fe80::/10")]
    return "\n".join(lines) + "\n"


def name_servers(resolv_conf: str) -> frozenset[str]:
    """IPv4 addresses of name servers that a container can ask: Docker hands on all that are not the host's loopback."""
    found = set()
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                address = ipaddress.IPv4Address(words[1])
                if not address.is_loopback:
                    found.add(str(address))
    return frozenset(found)


class HostGuard:
    """Keeps the table as it should be between `start` and `close`. `bridges` tells the names of all bridges of the site's networks."""

    def __init__(self, site: Site, bridges: Bridges, keep: Keep | None = None) -> None:
        self.table = guard_name(site.id)
        self._site = site
        self._bridges = bridges
        self._keep_text = keep
        self._kept: str | None = None
        """What was kept last; None: not known."""
        self._prefix = bridge_prefix(site.id)
        self._named: frozenset[str] = frozenset()
        self._told = False
        """The engine has said which bridges there are: before that, what was kept for a boot may know more than we do."""
        self._resolvers: frozenset[str] = frozenset()
        self._watched = WatchedTable("inet", self.table)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Raises AddressesUnavailable where the host does not let Spin change its nftables."""
        self._watched.open()
        try:
            await self._learn()
            await self._write()
            await self._keep_for_a_boot()
        except BaseException:
            await self._watched.close()
            raise
        self._watched.keep(self.look, LOOK_EVERY)
        log.info("the host is protected from containers", table=self.table)

    async def close(self) -> None:
        """Leave the table for the containers that go on. Where the site has no network, nobody needs it, and it is removed.

        While the engine has not said anything, there may be networks whose bridges it has yet to make.
        """
        if not self._watched.opened:
            return
        await self._watched.close()
        if self._told and not await asyncio.to_thread(self._needed):
            await self._watched.remove()
            await self._have_kept("")

    async def look(self) -> None:
        """Have the table as it should be, if it is not. Raises AddressesUnavailable."""
        self._watched.hear()
        changed = await self._learn()
        if not self._watched.intact:
            await self._write()
            log.warning("the table that protects the host was changed by somebody else; it is restored", table=self.table)
        elif changed:
            await self._write()
        await self._keep_for_a_boot()

    def _needed(self) -> bool:
        return any(p.name.startswith(self._prefix) or p.name in self._named for p in _INTERFACES.iterdir())

    async def _learn(self) -> bool:
        """What the rules depend on; whether something of it has changed."""
        before = self._named, self._resolvers
        found = await self._bridges()
        if found is not None:
            self._told = True
            self._named = frozenset(name for name in found if not name.startswith(self._prefix))
        with contextlib.suppress(OSError):
            self._resolvers = name_servers(await asyncio.to_thread(_RESOLVERS.read_text))
        return (self._named, self._resolvers) != before

    async def _write(self) -> None:
        await self._watched.write(partial(render, self._site, self._named, self._resolvers), anew=True)

    async def _keep_for_a_boot(self) -> None:
        if self._told:
            await self._have_kept(render(self._site, self._named, self._resolvers, marker("kept")))

    async def _have_kept(self, text: str) -> None:
        if self._keep_text is None or text == self._kept:
            return
        try:
            await asyncio.to_thread(self._keep_text, text)
        except OSError as error:
            log.warning("what protects the host after a boot could not be kept", table=self.table, reason=error.strerror)
        else:
            self._kept = text
