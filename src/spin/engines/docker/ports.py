"""Ports of the engine's host that are taken already."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from spin.engines.docker import labels
from spin.engines.docker.client import Client
from spin.engines.docker.containers import published_address
from spin.model.names import DeploymentKey
from spin.model.stack import Port, Protocol
from spin.site import Site

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


async def taken(client: Client, site: Site, key: DeploymentKey, ports: tuple[Port, ...]) -> tuple[tuple[Port, str], ...]:
    """Those of `ports` that something else than `key` holds, each with who it is."""
    if not ports:
        return ()
    containers = await client.get("containers/json")
    found = []
    for port in ports:
        where = published_address(site, port.published)
        holders = [c["Labels"] or {} for c in containers if any(_same(port, where, p) for p in c["Ports"])]
        others = [h for h in holders if not _is(h, site, key)]
        if others:
            found.append((port, _who(others, site)))
        elif not holders and client.local and bound(where, port):
            found.append((port, "a process on the engine's host"))
    return tuple(found)


def bound(address: str, port: Port) -> bool:
    """A process on this machine holds the port at `address`. A port that Spin may not bind itself counts as free."""
    kind = socket.SOCK_STREAM if port.protocol is Protocol.TCP else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as trial:
        if port.protocol is Protocol.TCP:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are merely closing do not matter
        try:
            trial.bind((address, port.published))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _same(port: Port, address: str, published: Mapping[str, Any]) -> bool:
    if published.get("PublicPort") != port.published or published.get("Type") != port.protocol.value:
        return False
    return address in _EVERYWHERE or published.get("IP", "") in (*_EVERYWHERE, address)


def _is(marks: Mapping[str, str], site: Site, key: DeploymentKey) -> bool:
    return marks.get(labels.SITE) == site.id and labels.key_of(marks) == key


def _who(holders: Iterable[Mapping[str, str]], site: Site) -> str:
    for marks in holders:
        key = labels.key_of(marks)
        if marks.get(labels.SITE) == site.id and key is not None:
            return f"the stack {key.environment}/{key.stack}"
    return "another container"
