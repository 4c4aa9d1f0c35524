"""The convention of service names (DOMAIN: Rules)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule

KINDS = ("api", "app", "db", "kv", "lb", "util", "web")
_CONVENTION = re.compile(rf"(?:{'|'.join(KINDS)})(?:-[a-z0-9][a-z0-9-]*)?")


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if not _CONVENTION.fullmatch(service.name):
            yield Place(f"services.{service.name}", service.name, {"name": service.name, "kinds": ", ".join(KINDS)})


RULE = Rule(
    code="service-names",
    severity=Severity.ADVISE,
    title="A service is named for what it does",
    message="By convention a service is named for what it does: {kinds}.",
    instead="Write for example `app-{name}`.",
    why="With names such as `web`, `app` and `db` everybody finds their way in a colleague's stack, and the operators "
    "see what they review. It is the original platform's convention; `-suffix` says more, as in `db-mysql`.",
    example="""
        services:
          frontend:
            image: nginx:1.27
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
