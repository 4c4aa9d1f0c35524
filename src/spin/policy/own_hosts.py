"""Own host names must not be names that the platform gives out: a stack could take another's visitors."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    domain = case.site.domain.lower()
    for service in case.spec.services:
        for host in service.http.hosts if service.http else ():
            if host == domain or host.endswith("." + domain):
                yield Place(f"services.{service.name}.x-spin.hosts", service.name, {"host": host, "domain": domain})


RULE = Rule(
    code="own-hosts",
    severity=Severity.REFUSE,
    message="{host} is below {domain}, whose names the platform gives out.",
    instead="Leave it out, each service has its name there already; here stand names of your own, such as data.example.org.",
    find=_find,
)
