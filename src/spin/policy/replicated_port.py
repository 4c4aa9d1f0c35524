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
    title="A port of the host is published by one container",
    message="{count} replicas cannot all publish port {port} of the host.",
    instead="Run one replica; or, for HTTP, write `x-spin: {{http: {target}}}`, which spreads requests over all replicas.",
    why="A port of the host leads to one container; the second replica could not start. The edge spreads HTTP over all "
    "replicas, so it is published there and needs no port of the host.",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
            deploy: {replicas: 2}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin: {http: 80}
            deploy: {replicas: 2}
    """,
    find=_find,
)
