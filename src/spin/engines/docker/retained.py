"""Addresses that containers keep (`retain_ip`), where there are no stable service addresses. Pure.

The engine gives addresses from the bottom of what containers may have of a subnet (all, or the lower half), so kept ones are taken
from the top of that. Which container has which is in a label.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

from spin.engines.docker import labels
from spin.errors import Failed
from spin.model.steps import Create

Listed = Mapping[str, Any]
"""A container as the engine lists it."""


def kept_addresses(step: Create, pools: Mapping[str, str], listed: Iterable[Listed]) -> dict[str, str]:
    """The address on each of the service's networks, by Compose name: that of the slot's last container, else a free one.

    `pools`: what containers may have, by Compose name; `listed`: the deployment's containers. Raises Failed when one is full.
    """
    newest_first = sorted(listed, key=lambda c: (c["Created"], c["Id"]), reverse=True)
    mine = [c for c in newest_first if _is_slot(c, step)]
    return {a.network: _one(a.network, pools[a.network], mine, newest_first) for a in step.spec.networks}


def of(marks: Mapping[str, str]) -> dict[str, str]:
    """The addresses that a container with these labels keeps."""
    found: dict[str, str] = json.loads(marks.get(labels.ADDRESSES, "{}"))
    return found


def within(address: str | None, pool: str) -> str | None:
    """`address`, if it lies in the pool."""
    return address if address is not None and ipaddress.IPv4Address(address) in ipaddress.IPv4Network(pool) else None


def _one(network: str, pool: str, mine: Iterable[Listed], everyone: Iterable[Listed]) -> str:
    for container in mine:
        had = within(of(container["Labels"]).get(network), pool)
        if had is not None:
            return had
    taken = {of(c["Labels"]).get(network) for c in everyone}
    taken |= {e["IPAddress"] for c in everyone for e in c["NetworkSettings"]["Networks"].values()}
    room = ipaddress.IPv4Network(pool)
    for number in range(room.num_addresses - 2, 1, -1):  # neither the broadcast address nor the first, which is the bridge's
        if str(room[number]) not in taken:
            return str(room[number])
    raise Failed(f"No address is free on network {network}.", network=network)


def _is_slot(container: Listed, step: Create) -> bool:
    marks = container["Labels"]
    return bool(marks.get(labels.SERVICE) == step.spec.name and marks.get(labels.SLOT) == str(step.slot))
