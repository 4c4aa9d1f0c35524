"""The convention of service names (DOMAIN: Rules)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule

KINDS = Parameter(
    "kinds",
    ("api", "app", "db", "kv", "lb", "util", "web"),
    "What a service's name is, or begins with before a hyphen; empty: any name will do.",
)


def _find(case: Case) -> Iterator[Place]:
    kinds = KINDS.of(case)
    if not kinds:
        return
    convention = re.compile(rf"(?:{'|'.join(map(re.escape, kinds))})(?:-[a-z0-9][a-z0-9-]*)?")
    for service in case.spec.services:
        if not convention.fullmatch(service.name):
            values = {"name": service.name, "kinds": ", ".join(kinds), "kind": "app" if "app" in kinds else kinds[0]}
            yield Place(f"services.{service.name}", service.name, values)


RULE = Rule(
    code="service-names",
    severity=Severity.ADVISE,
    title="A service is named for what it does",
    message="By convention a service is named for what it does: {kinds}.",
    instead="Write for example `{kind}-{name}`.",
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
    parameters=(KINDS,),
)
