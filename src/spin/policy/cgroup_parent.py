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
    title="A container stays within the platform's limits",
    message="`cgroup_parent` would move the container out of the platform's limits.",
    instead="Leave `cgroup_parent` out; set limits in `deploy.resources.limits`.",
    why="The parent cgroup decides whose memory and processor time a container uses. Below another one, the limits of "
    "the site no longer hold, and the neighbours pay.",
    example="""
        services:
          web:
            image: nginx:1.27
            cgroup_parent: system.slice
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy: {resources: {limits: {memory: 1g, cpus: "2"}}}
    """,
    find=_find,
)
