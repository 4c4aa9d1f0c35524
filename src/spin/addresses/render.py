"""The table of service addresses as commands for `nft -f`, and back from what `nft -j` lists. Pure.

    table ip spin-<site>
      map services       (bridge a packet comes from, stable address) → chain of that service
      chain to/…         one a service: the choice of a container for a new connection
      set ranges         all that is for stable addresses on any network
      set known          what the map has
      chain prerouting   looks up in the map
      ct timeout brief   how long a connection that has ended is remembered
      chain raw          keeps what finds nothing there, as packets of other bridges, out of all translation of addresses
      chain input, forward, output   refuse what is sent to a stable address and was not led to a container
      chain postrouting  where bridged packets do not pass through connection tracking: replies come back through the host
      chain written/…    names the last writing, so that the kernel's events tell Spin's transactions from those of others

To Docker's rules for published ports, which come later, a stable address is one of the host's own. So nothing that is sent to one may
reach them: `raw` takes out what is not known, and a service without containers is led to its own address.

Names of owner, network and service are the chain's name, so the kernel's table is all that has to be kept.

A transaction is atomic for the kernel's configuration, not quite for a packet that is on its way through the rules at that moment: it
keeps to one generation of rules, but looks into maps as they are now. So a change leaves alone what stays: the chains with
hooks, and the elements of map and set. New targets mean new rules in the service's chain and nothing else. For the same reason the choice
of a container is made by rules, and not by a map of numbers: its map would go with the rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, pairwise
from typing import Any, Final

from spin.errors import Failed
from spin.model.observed import ServiceAddress

_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}", re.ASCII)
_SITE = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
_TABLE: Final = "spin-"
_TO: Final = "to/"
_WRITTEN: Final = "written/"
_BRIEF: Final = "brief"
# Docker, when it stops a container, forgets all connections with its address: it lists them, then deletes what it has listed, by the
# ports of both ends. A client that has used its port again meanwhile loses the new connection to another container, whose answers
# then come from an address that it does not know. So what has ended is gone before: a container drains for longer than this. It
# also keeps the kernel's table small, which Docker goes through at each start and stop.
_ENDED: Final = "{ protocol tcp; l3proto ip; policy = { time_wait : 1, close : 1 }; }"  # seconds; the kernel's own: 120 and 10
_HOOKED: Final = frozenset({"raw", "prerouting", "input", "forward", "output", "postrouting"})


def table_name(site: str) -> str:
    """The table of that site. An id with characters that nft does not take is replaced by a digest of it."""
    return f"{_TABLE}{site if _SITE.fullmatch(site) else hashlib.sha256(site.encode()).hexdigest()[:12]}"


def marker(nonce: str) -> str:
    """Name of the chain that stands for one writing of the table."""
    return f"{_WRITTEN}{nonce}"


def checked(owner: str, entries: Iterable[ServiceAddress]) -> tuple[ServiceAddress, ...]:
    """`entries` as they are kept: sorted, each service of a network once. Raises Failed for what cannot be a rule."""
    found: dict[tuple[str, str], ServiceAddress] = {}
    for entry in entries:
        problem = _problem(owner, entry)
        if problem or (entry.network, entry.service) in found:
            raise Failed(
                f"Service {entry.service} cannot have the address {entry.address} on {entry.network}: {problem or 'it is named twice'}.",
                service=entry.service,
                network=entry.network,
            )
        found[entry.network, entry.service] = entry
    return tuple(found[key] for key in sorted(found))


def _problem(owner: str, entry: ServiceAddress) -> str:
    if entry.owner != owner:
        return f"it belongs to {entry.owner}, not to {owner}"
    if "/" in entry.network + entry.service or not _NAME.fullmatch(f"{owner}/{entry.network}/{entry.service}"):
        return "its name has characters that nftables does not take"
    if not _INTERFACE.fullmatch(entry.interface):
        return f"{entry.interface!r} is no name of a network interface"
    for address in (entry.address, *entry.targets):
        try:
            IPv4Address(address)
        except ValueError:
            return f"{address!r} is no IPv4 address"
    try:
        within = IPv4Network(entry.within)
    except ValueError:
        return f"{entry.within!r} is no range of IPv4 addresses"
    if IPv4Address(entry.address) not in within:
        return f"it does not lie in {within}"
    if len(set(entry.targets)) < len(entry.targets) or list(entry.targets) != sorted(entry.targets):
        return "its targets are not sorted, or one is named twice"
    return ""


@dataclass(frozen=True, slots=True)
class Written:
    """What is in the kernel's table, as far as it is Spin's."""

    entries: tuple[ServiceAddress, ...] = ()
    """Sorted by owner, network, service."""
    marker: str = ""
    clean: bool = False
    """There is nothing else, and nothing is missing."""


def render(
    table: str,
    before: Written,
    after: Iterable[ServiceAddress],
    written: str,
    *,
    masquerade: bool,
) -> str:
    """Commands that make the table one of `after`, in one transaction. Unless it is clean before, it is made anew.

    `masquerade`: replies between two containers of one bridge do not pass through the host's connection tracking by themselves.
    """
    old = {_chain(e): e for e in before.entries} if before.clean else {}
    new = {_chain(e): e for e in sorted(after, key=_place)}
    changed = [name for name, entry in new.items() if old.get(name) != entry]
    moved = [name for name in changed if name not in old or _key(old[name]) != _key(new[name])]
    gone = [name for name in old if name not in new]
    lines = [f"add table ip {table}"]
    if not before.clean:
        lines += [f"delete table ip {table}", f"add table ip {table}", f"add ct timeout ip {table} {_BRIEF} {_ENDED}"]
    lines.append(f"add chain ip {table} {written}")
    if before.clean and before.marker:
        lines.append(f"delete chain ip {table} {before.marker}")
    lines.append(f"add map ip {table} services {{ type ifname . ipv4_addr : verdict; }}")
    lines.append(f"add set ip {table} ranges {{ type ipv4_addr; flags interval; }}")
    before_ranges, after_ranges = ({e.within for e in chosen.values()} for chosen in (old, new))
    for verb, ranges in (("delete", before_ranges - after_ranges), ("add", after_ranges - before_ranges)):
        if ranges:
            lines.append(f"{verb} element ip {table} ranges {{ {', '.join(sorted(ranges))} }}")
    lines.append(f"add set ip {table} known {{ type ifname . ipv4_addr; }}")
    left = ", ".join(_key(old[name]) for name in (*gone, *moved) if name in old)
    if left:
        lines += [f"delete element ip {table} {where} {{ {left} }}" for where in ("services", "known")]
    for name in changed:
        lines += _chain_lines(table, name, _verdicts(new[name]))
    if moved:
        elements = ", ".join(f"{_key(new[name])} : goto {name}" for name in moved)
        lines.append(f"add element ip {table} services {{ {elements} }}")
        lines.append(f"add element ip {table} known {{ {', '.join(_key(new[name]) for name in moved)} }}")
    for name in gone:
        lines += [f"flush chain ip {table} {name}", f"delete chain ip {table} {name}"]
    for name, (hook, rules) in _hooked(masquerade=masquerade).items():
        lines += _chain_lines(table, name, rules, hook)
    return "\n".join(lines) + "\n"


def _hooked(*, masquerade: bool) -> dict[str, tuple[str, list[str]]]:
    """The chains that the kernel calls: how, and their rules."""
    refuse = ["ip daddr @ranges meta l4proto tcp reject with tcp reset", "ip daddr @ranges reject"]
    back = ["ct status dnat ct original ip daddr @ranges masquerade"] if masquerade else []
    return {
        "raw": ("type filter hook prerouting priority raw - 5", ["ip daddr @ranges iifname . ip daddr != @known notrack"]),
        "prerouting": (
            "type nat hook prerouting priority dstnat - 5",
            [f'ip daddr @ranges ip protocol tcp ct timeout set "{_BRIEF}"', "iifname . ip daddr vmap @services"],
        ),
        "input": ("type filter hook input priority filter - 5", refuse),
        "forward": ("type filter hook forward priority filter - 5", refuse),
        "output": ("type filter hook output priority -105", refuse),  # before anybody's translation
        "postrouting": ("type nat hook postrouting priority srcnat - 5", back),
    }


def _chain_lines(table: str, name: str, rules: Iterable[str], hook: str = "") -> list[str]:
    """The chain with exactly these rules, whether it is there or not."""
    options = f" {{ {hook}; policy accept; }}" if hook else ""
    made = [f"add chain ip {table} {name}{options}", f"flush chain ip {table} {name}"]
    return made + [f"add rule ip {table} {name} {rule}" for rule in rules]


def _place(entry: ServiceAddress) -> tuple[str, str, str]:
    return entry.owner, entry.network, entry.service


def _chain(entry: ServiceAddress) -> str:
    return f"{_TO}{entry.owner}/{entry.network}/{entry.service}"


def _key(entry: ServiceAddress) -> str:
    return f'"{entry.interface}" . {entry.address}'


def _verdicts(entry: ServiceAddress) -> list[str]:
    """One rule a container: the first takes each n-th connection, the next each (n-1)-th of what is left, the last the rest."""
    if not entry.targets:
        return ["drop" if entry.hold else f"dnat to {entry.address}"]  # there it is refused in `input`
    *others, last = entry.targets
    count = len(entry.targets)
    chosen = [f"numgen inc mod {count - number} 0 dnat to {target}" for number, target in enumerate(others)]
    return [*chosen, f"dnat to {last}"]


def read(listing: dict[str, Any]) -> Written:
    """What is in the table that `nft -j list table` shows."""
    rules: dict[str, list[Any]] = {}
    places: dict[str, tuple[str, str]] = {}
    sets: dict[str, list[Any]] = {"ranges": [], "known": []}
    markers: list[str] = []
    foreign = False
    for thing in listing["nftables"]:
        match thing:
            case {"chain": {"name": str(name)}} if name.startswith(_WRITTEN):
                markers.append(name)
            case {"chain": {"name": str(name)}} if name.startswith(_TO):
                rules.setdefault(name, [])
            case {"rule": {"chain": str(name), "expr": [*expressions]}} if name.startswith(_TO):
                rules.setdefault(name, []).append(expressions)
            case {"map": {"name": "services"}}:
                places = _read_places(thing["map"].get("elem", []))
            case {"set": {"name": str(name)}} if name in sets:
                sets[name] = thing["set"].get("elem", [])
            case {"chain": {"name": str(name)}} | {"rule": {"chain": str(name)}} if name in _HOOKED:
                pass  # written again with each change
            case {"metainfo": _} | {"table": _} | {"ct timeout": _}:
                pass
            case _:
                foreign = True
    found = []
    ranges = _read_ranges(sets["ranges"])
    lengths = {length for _, _, length in (r.partition("/") for r in ranges) if length}
    for name in rules.keys() & places.keys():
        verdict = _read_rules(rules[name])
        if verdict is not None:
            owner, network, service = name.removeprefix(_TO).rsplit("/", 2)
            (interface, address), (targets, hold) = places[name], verdict
            targets = () if targets == (address,) else targets
            ours = (str(IPv4Network(f"{address}/{length}", strict=False)) for length in lengths)
            within = next((o for o in ours if o in ranges), None)
            if within is not None:
                found.append(ServiceAddress(owner, network, service, address, within, interface, targets, hold))
    known = {str(element) for element in sets["known"]}
    whole = len(found) == len(rules) == len(places) and len(markers) == 1
    whole = whole and {e.within for e in found} == ranges and {str({"concat": [e.interface, e.address]}) for e in found} == known
    return Written(tuple(sorted(found, key=_place)), markers[0] if whole else "", whole and not foreign)


def read_held(listing: dict[str, Any]) -> frozenset[IPv4Network]:
    """The ranges of all sites' tables in what `nft -j list sets ip` shows, also of those whose platform or network is gone."""
    found: frozenset[IPv4Network] = frozenset()
    for thing in listing["nftables"]:
        match thing:
            case {"set": {"table": str(table), "name": "ranges", "elem": [*elements]}} if table.startswith(_TABLE):
                found |= {IPv4Network(text) for text in _read_ranges(elements) if text}
            case _:
                pass
    return found


def _read_places(elements: list[Any]) -> dict[str, tuple[str, str]]:
    """(interface, address) by the chain that it leads to; one that is not Spin's leads to an empty name, which is no chain."""
    found: dict[str, tuple[str, str]] = {}
    for element in elements:
        match element:
            case [{"concat": [str(interface), str(address)]}, {"goto": {"target": str(to)}}]:
                found[to] = interface, address
            case _:
                found[""] = "", ""
    return found


def _read_ranges(elements: list[Any]) -> frozenset[str]:
    """An element that is not Spin's is an empty text."""
    found = set()
    for element in elements:
        match element:
            case {"prefix": {"addr": str(address), "len": int(length)}}:
                found.add(f"{address}/{length}")
            case _:
                found.add("")
    return frozenset(found)


def _read_rules(rules: list[Any]) -> tuple[tuple[str, ...], bool] | None:
    """(targets, hold) of a service's chain; None if it is not as Spin wrote it."""
    match rules:
        case [[{"drop": _}]]:
            return (), True
    targets: list[str] = []
    for rule in rules:
        match rule:
            case [{"dnat": {"addr": str(target)}}] | [{"match": {"left": {"numgen": _}}}, {"dnat": {"addr": str(target)}}]:
                targets.append(target)
            case _:
                return None
    return (tuple(targets), False) if targets else None


def refuse_clashes(owners: Iterable[tuple[ServiceAddress, ...]]) -> None:
    """Raises Failed where an address on one bridge is wanted twice, or ranges overlap without being the same: nftables does not take
    them, and all would lose by it."""
    seen: dict[tuple[str, str], ServiceAddress] = {}
    ranges: dict[str, ServiceAddress] = {}
    for entry in chain.from_iterable(owners):
        ranges.setdefault(entry.within, entry)
        first = seen.setdefault((entry.interface, entry.address), entry)
        if first is not entry:
            raise Failed(
                f"The address {entry.address} of service {entry.service} is taken by service {first.service} of {first.owner}.",
                service=entry.service,
            )
    for one, other in pairwise(sorted(IPv4Network(r) for r in ranges)):
        if one.overlaps(other):
            had, entry = ranges[str(one)], ranges[str(other)]
            raise Failed(f"{other} of {entry.owner} overlaps with {one} of {had.owner}.", network=entry.network)
