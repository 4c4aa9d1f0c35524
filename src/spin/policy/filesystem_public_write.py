"""What anybody can call does not write to a shared filesystem."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted

PUBLIC = "public"
"""The class of ports that everybody can reach."""


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        way = "" if found.bind.read_only else _way(case, found.service)
        if way:
            yield found.place(way=way)


def _way(case: Case, service: ServiceSpec) -> str:
    """How everybody reaches the service; empty if nobody from outside does."""
    if service.http is not None:
        return "through the site's proxy"
    for port in service.ports:
        found = case.site.port_class(port.published)
        if found is None or found.name == PUBLIC:
            return f"at port {port.published}"
    return ""


RULE = Rule(
    code="filesystem-public-write",
    severity=Severity.REFUSE,
    title="A public service mounts a site's filesystem read-only",
    message="Service {service} can be reached by everybody ({way}), without a login, and mounts {path} writable.",
    instead="Write `{path}:{target}:ro`, or let a service that nobody reaches from outside do the writing.",
    why="""Nobody could say who caused a file that a public service wrote, and whoever breaks into it writes as its account. The original
        platform asked that a public service without a login mounts read-only; the proxy knows no logins, so every service
        behind it counts as such, as does one with a port of the class `public`.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            x-spin: {http: 80}
            volumes: ["/global/cfs/physics/data:/data"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            x-spin: {http: 80}
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    site="""
        [[filesystems]]
        name = "cfs"
        path = "/global/cfs"
    """,
    find=_find,
)
