"""The host's address on which a port is published is the site's choice, by class of port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.kit.addresses import is_loopback, is_unspecified
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, is_said, items


def address_of(entry: Any) -> str | None:
    """The host's address that a `ports` entry names."""
    if isinstance(entry, Mapping):
        found = entry.get("host_ip")
        return str(found) if is_said(found) else None
    return (entry.rpartition(":")[0].rpartition(":")[0] or None) if isinstance(entry, str) else None


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        for index, entry in items(content.get("ports")):
            address = address_of(entry)
            if address is not None and not is_loopback(address) and not is_unspecified(address):
                yield Place(f"services.{service}.ports[{index}]", service)


RULE = Rule(
    code="host-address",
    severity=Severity.REFUSE,
    title="On which address of the host a port is published is the site's choice",
    message="The address on which a port is published is chosen by the site.",
    instead='Leave the address out and write "8080:80"; a port for this stack alone needs no publishing.',
    why="The address says who can reach a port, and that follows from the port's class. `0.0.0.0` asks for what the site "
    "gives anyway; a port on `127.0.0.1` is not published at all (`loopback-port`).",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["192.0.2.1:8080:80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
    find=_find,
)
