"""A port of the host can be held by one container only."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if service.replicas > 1 and service.ports:
            port = service.ports[0]
            values = {"count": service.replicas, "port": port.published, "target": port.target}
            yield Place(f"services.{service.name}.ports", service.name, values)


RULE = Rule(
    code="replicated-port",
    severity=Severity.REFUSE,
    message="{count} replicas cannot all publish port {port} of the host.",
    instead="Run one replica; or, for HTTP, write `x-spin: {{http: {target}}}`, which spreads requests over all replicas.",
    find=_find,
)
