"""Namespaces of the host or of another container: network, processes, IPC, host name, users, cgroups."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said

KEYS = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
_OWN = {"ipc": ("private", "shareable", "none"), "cgroup": ("private",), "network_mode": ("bridge", "default", "none")}
"""What a container has of its own, which nobody else can share here."""
_NETWORKS = "Leave `network_mode` out and name networks in `networks`; services reach each other by service name on all ports."


def _find(case: Case) -> Iterator[Place]:
    for place in keys_said(case, *KEYS):
        if place.values["value"] in [quoted(value) for value in _OWN.get(str(place.values["key"]), ())]:
            continue
        if place.values["key"] == "network_mode":
            yield Place(place.path, place.service, place.values, instead=_NETWORKS)
        else:
            yield place


RULE = Rule(
    code="host-namespaces",
    severity=Severity.REFUSE,
    title="A container shares no namespace of the host or of another container",
    message="{key}: {value} would share a namespace of the host or of another container.",
    instead="Leave `{key}` out: each container has its own.",
    why="`network_mode: host` puts a container beside the host's own services, past published ports and their classes; "
    "`pid: host` shows and kills everybody's processes. A namespace of another container (`container:…`, "
    "`service:…`) also ties the two together, so that neither can be replaced without the other.",
    example="""
        services:
          web:
            image: nginx:1.27
            network_mode: host
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            networks: [default]
    """,
    find=_find,
)
