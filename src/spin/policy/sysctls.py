"""Kernel parameters."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, "sysctls")


RULE = Rule(
    code="sysctls",
    severity=Severity.REFUSE,
    message="`sysctls` would change parameters of the kernel.",
    instead="Leave `sysctls` out; ports below 1024 can be opened with `cap_add: [NET_BIND_SERVICE]`.",
    find=_find,
)
