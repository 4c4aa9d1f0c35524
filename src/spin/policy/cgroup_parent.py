"""The parent cgroup, through which limits could be escaped."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, "cgroup_parent")


RULE = Rule(
    code="cgroup-parent",
    severity=Severity.REFUSE,
    message="`cgroup_parent` would move the container out of the platform's limits.",
    instead="Leave `cgroup_parent` out; set limits in `deploy.resources.limits`.",
    find=_find,
)
