"""A privileged container is root on the host."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, "privileged")


RULE = Rule(
    code="privileged",
    severity=Severity.REFUSE,
    message="A privileged container has all rights on the host.",
    instead="Leave `privileged` out; if the program needs one capability, name it in `cap_add`.",
    find=_find,
)
