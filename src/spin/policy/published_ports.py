"""Ports published outside the stack belong to the site's classes."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    classes = "; ".join(f"{c.name} ({c.reach}): {', '.join(c.ports)}" for c in case.site.port_classes) or "none"
    for service in case.spec.services:
        for port in service.ports:
            if case.site.port_class(port.published) is None:
                values = {"port": port.published, "target": port.target, "classes": classes}
                yield Place(f"services.{service.name}.ports", service.name, values)


RULE = Rule(
    code="published-ports",
    severity=Severity.REFUSE,
    title="A published port belongs to one of the site's classes",
    message="Port {port} is in no class of ports that can be published.",
    instead="For HTTP write `x-spin: {{http: {target}}}`. Inside the stack nothing needs to be published. Open are: {classes}.",
    why="A port that is published is open outside the stack: to everybody, to the institution or to the site's own "
    "networks. The site's firewalls know the ports of each class; a port in none of them would be open to nobody, "
    "or to the wrong people. The original platform had the same classes. Inside the stack services reach each other "
    "on every port, with nothing published.",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["9000:80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin: {http: 80}
    """,
    find=_find,
)
