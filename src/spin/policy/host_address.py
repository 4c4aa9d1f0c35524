"""The host's address on which a port is published is the site's choice, by class of port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, is_said, items


def names_address(entry: Any) -> bool:
    """Whether a `ports` entry names an address of the host."""
    if isinstance(entry, Mapping):
        return is_said(entry.get("host_ip"))
    return isinstance(entry, str) and ":" in entry.rpartition(":")[0]


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        for index, entry in items(content.get("ports")):
            if names_address(entry):
                yield Place(f"services.{service}.ports[{index}]", service)


RULE = Rule(
    code="host-address",
    severity=Severity.REFUSE,
    title="On which address of the host a port is published is the site's choice",
    message="The address on which a port is published is chosen by the site.",
    instead='Leave the address out and write "8080:80"; a port for this stack alone needs no publishing.',
    why="The address says who can reach a port, and that follows from the port's class. `127.0.0.1` in a Compose file "
    "means *only I* on a workstation; on a shared host it would mean everybody's containers and nobody outside.",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["127.0.0.1:8080:80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
    find=_find,
)
