"""Own host names at which the site itself answers."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.names import fold_host
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    reserved = {fold_host(case.site.address), fold_host(case.site.registry_host.rpartition(":")[0])}
    for service in case.spec.services:
        for host in service.http.hosts if service.http else ():
            if fold_host(host) in reserved:
                yield Place(f"services.{service.name}.x-spin.hosts", service.name, {"host": host})


RULE = Rule(
    code="host-reserved",
    severity=Severity.REFUSE,
    title="At the site's own addresses the site answers",
    message="At the name {host} the site itself answers.",
    instead="Use a name of your own domain.",
    why="The API and the registry answer at the site's own address. A stack that could claim it would be handed the API keys of "
    "everybody who signs in.",
    example="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [spin.example.org]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [data.example.org]
    """,
    site="""
        address = "spin.example.org"
    """,
    find=_find,
)
