"""Own host names must not be names that the platform gives out: a stack could take another's visitors."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.names import fold_host
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    domain = fold_host(case.site.domain)
    for service in case.spec.services:
        for host in service.http.hosts if service.http else ():
            if host == domain or host.endswith("." + domain):
                yield Place(f"services.{service.name}.x-spin.hosts", service.name, {"host": host, "domain": domain})


RULE = Rule(
    code="own-hosts",
    severity=Severity.REFUSE,
    title="Own host names are not names that the platform gives out",
    message="{host} is below {domain}, whose names the platform gives out.",
    instead="Leave it out, each service has its name there already; here stand names of your own, such as data.example.org.",
    why="Every service that speaks HTTP has a name below the site's domain. If a stack could claim such a name as one "
    "of its own, it could take the visitors of another stack, and their passwords.",
    example="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [web.shop.production.spin.localhost]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [data.example.org]
    """,
    find=_find,
)
