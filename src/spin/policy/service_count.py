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
    message="The stack has {count} services; {most} are allowed.",
    instead="Split it into several stacks, or ask the operators.",
    find=_find,
)
