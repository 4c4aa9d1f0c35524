"""The table of service addresses as text for `nft -f`, and back from what `nft -j` lists. Pure.

    table ip spin-<site>
      map services       (bridge a packet comes from, stable address) → chain of that service
      chain to/…         one a service: the choice of a container for a new connection
      chain prerouting   looks up in the map; packets of other bridges find nothing there
      chain forward, output   refuse what is sent to a stable address and was not led to a container
      chain postrouting  where bridged packets do not pass through connection tracking: replies come back through the host
      chain written/…    names this writing of the table, so that the kernel's events tell it from what others do

Names of owner, network and service are the chain's name, so the kernel's table is all that has to be kept.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from spin.errors import Failed
from spin.model.observed import ServiceAddress

_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9._-]{1,15}", re.ASCII)
_SITE = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)
_TO: Final = "to/"
_WRITTEN: Final = "written/"


def table_name(site: str) -> str:
    """The table of that site. An id with characters that nft does not take is replaced by a digest of it."""
    return f"spin-{site if _SITE.fullmatch(site) else hashlib.sha256(site.encode()).hexdigest()[:12]}"


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
            ipaddress.IPv4Address(address)
        except ValueError:
            return f"{address!r} is no IPv4 address"
    if len(set(entry.targets)) < len(entry.targets) or list(entry.targets) != sorted(entry.targets):
        return "its targets are not sorted, or one is named twice"
    return ""


def render(table: str, entries: Iterable[ServiceAddress], services: str, written: str, *, masquerade: bool) -> str:
    """Text that replaces the whole table in one transaction. `services`: the range of all stable addresses of the site.

    `masquerade`: replies between two containers of one bridge do not pass through the host's connection tracking by themselves.
    """
    known = sorted(entries, key=lambda e: (e.owner, e.network, e.service))
    elements = ",\n".join(f'      "{e.interface}" . {e.address} : goto {_chain(e)}' for e in known)
    chains = "".join(f"  chain {_chain(e)} {{\n    {_verdict(e)}\n  }}\n" for e in known)
    refuse = f"    ip daddr {services} meta l4proto tcp reject with tcp reset\n    ip daddr {services} reject\n"
    return (
        f"add table ip {table}\n"
        f"delete table ip {table}\n"
        f"table ip {table} {{\n"
        f"  chain {written} {{\n  }}\n"
        f"{chains}"
        "  map services {\n"
        "    type ifname . ipv4_addr : verdict\n"
        f"{f'    elements = {{{chr(10)}{elements}{chr(10)}    }}{chr(10)}' if known else ''}"
        "  }\n"
        "  chain prerouting {\n"
        "    type nat hook prerouting priority dstnat - 5; policy accept;\n"
        "    iifname . ip daddr vmap @services\n"
        "  }\n"
        f"  chain forward {{\n    type filter hook forward priority filter - 5; policy accept;\n{refuse}  }}\n"
        f"  chain output {{\n    type filter hook output priority filter - 5; policy accept;\n{refuse}  }}\n"
        f"{_POSTROUTING.format(services=services) if masquerade else ''}"
        "}\n"
    )


_POSTROUTING = """\
  chain postrouting {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    ct status dnat ct original ip daddr {services} masquerade
  }}
"""


def _chain(entry: ServiceAddress) -> str:
    return f"{_TO}{entry.owner}/{entry.network}/{entry.service}"


def _verdict(entry: ServiceAddress) -> str:
    if not entry.targets:
        return "drop" if entry.hold else "accept"  # what is accepted here is refused in `forward`
    if len(entry.targets) == 1:
        return f"dnat to {entry.targets[0]}"
    numbered = ", ".join(f"{number} : {target}" for number, target in enumerate(entry.targets))
    return f"dnat to numgen inc mod {len(entry.targets)} map {{ {numbered} }}"


def read(listing: dict[str, Any]) -> tuple[tuple[ServiceAddress, ...], str]:
    """The entries in what `nft -j list table` says, sorted by owner, and the name of the writing that the table is of (or "").

    What somebody else has put there, or has spoilt, is left out.
    """
    verdicts: dict[str, tuple[tuple[str, ...], bool]] = {}
    places: dict[str, tuple[str, str]] = {}
    written = ""
    for thing in listing.get("nftables", ()):
        if "chain" in thing and thing["chain"]["name"].startswith(_WRITTEN):
            written = thing["chain"]["name"]
        elif "rule" in thing and thing["rule"]["chain"].startswith(_TO):
            verdict = _read_verdict(thing["rule"]["expr"])
            if verdict is not None:
                verdicts[thing["rule"]["chain"]] = verdict
        elif "map" in thing and thing["map"]["name"] == "services":
            for element in thing["map"].get("elem", ()):
                (key, to) = element
                places[to["goto"]["target"]] = tuple(key["concat"])
    found = []
    for name in verdicts.keys() & places.keys():
        owner, network, service = name.removeprefix(_TO).rsplit("/", 2)
        (interface, address), (targets, hold) = places[name], verdicts[name]
        found.append(ServiceAddress(owner, network, service, address, interface, targets, hold))
    return tuple(sorted(found, key=lambda e: (e.owner, e.network, e.service))), written


def _read_verdict(expressions: list[dict[str, Any]]) -> tuple[tuple[str, ...], bool] | None:
    """(targets, hold) of one rule; None if it is none of Spin's."""
    if len(expressions) != 1:
        return None
    (rule,) = expressions
    if "drop" in rule or "accept" in rule:
        return (), "drop" in rule
    match rule:
        case {"dnat": {"addr": str(single)}}:
            return (single,), False
        case {"dnat": {"addr": {"map": {"data": {"set": [*choices]}}}}}:
            return tuple(target for _, target in choices), False
    return None


def clashes(owners: Iterable[tuple[ServiceAddress, ...]]) -> tuple[ServiceAddress, ...]:
    """Entries whose address on that bridge another entry before them has: nftables takes each once."""
    seen: set[tuple[str, str]] = set()
    found = []
    for entry in chain.from_iterable(owners):
        place = (entry.interface, entry.address)
        if place in seen:
            found.append(entry)
        seen.add(place)
    return tuple(found)
