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
    message="Port {port} is in no class of ports that can be published.",
    instead="For HTTP write `x-spin: {{http: {target}}}`. Inside the stack nothing needs to be published. Open are: {classes}.",
    find=_find,
)
