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
    message="The address on which a port is published is chosen by the site.",
    instead='Leave the address out and write "8080:80"; a port for this stack alone needs no publishing.',
    find=_find,
)
