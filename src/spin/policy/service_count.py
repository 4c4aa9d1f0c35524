"""How many services a stack may have."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    count, most = len(case.spec.services), case.site.limits.services
    if count > most:
        yield Place("services", None, {"count": count, "most": most})


RULE = Rule(
    code="too-many-services",
    severity=Severity.REFUSE,
    title="A stack has no more services than the site allows",
    message="The stack has {count} services; {most} are allowed.",
    instead="Split it into several stacks, or ask the operators.",
    why="A stack is one application, which people look at, upgrade and roll back as a whole. Fifty services are more "
    "than anybody follows on one screen, and more than one network of the usual size has addresses for. The number "
    "is `limits.services` in the site file.",
    example="""
        services:
          web:
            image: nginx:1.27
          db:
            image: postgres:16
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    site="""
        [limits]
        services = 1
    """,
    find=_find,
)
