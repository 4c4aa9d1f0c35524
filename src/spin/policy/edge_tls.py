"""Ports 80 and 443 of one service: TLS ends at the reverse proxy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, items


def _published(entry: Any) -> str:
    """The port of the host that an entry of `ports` names; empty where it names none."""
    if isinstance(entry, Mapping):
        return str(entry.get("published", ""))
    parts = str(entry).partition("/")[0].split(":")
    return parts[-2] if len(parts) > 1 else ""


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        entries = {_published(entry): index for index, entry in items(content.get("ports"))}
        spec = case.spec.service(service)
        if "80" in entries and "443" in entries and spec is not None and spec.http is not None:
            yield Place(f"services.{service}.ports[{entries['443']}]", service, {"port": spec.http.port})


RULE = Rule(
    code="edge-tls",
    severity=Severity.WARN,
    title="TLS ends at the reverse proxy",
    message="Port 443 is not published: the reverse proxy ends TLS, and leads all requests to port {port} of the containers.",
    instead="Leave port 443 and the certificate out; a redirect to https in the program's own configuration would go round for ever.",
    why="The platform's reverse proxy holds ports 80 and 443 for all stacks, keeps the certificates and renews them. What reaches a "
    "container is plain HTTP, with `X-Forwarded-Proto` saying how the visitor came. A second port of the same service, with a "
    "certificate of its own, would never be asked.",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["80:80", "443:443"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            ports: ["80:80"]
    """,
    find=_find,
)
