"""How many replicas a service may have."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    most = case.site.limits.replicas
    for service in case.spec.services:
        if service.replicas > most:
            values = {"count": service.replicas, "most": most}
            yield Place(f"services.{service.name}.deploy.replicas", service.name, values)


RULE = Rule(
    code="too-many-replicas",
    severity=Severity.REFUSE,
    title="A service has no more replicas than the site allows",
    message="{count} replicas are asked for; {most} are allowed.",
    instead="Write at most {most}, or ask the operators.",
    why="Replicas share one machine: beyond its cores they only take memory from the neighbours. The number is "
    "`limits.replicas` in the site file.",
    example="""
        services:
          web:
            image: nginx:1.27
            deploy: {replicas: 100}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy: {replicas: 3}
    """,
    find=_find,
)
