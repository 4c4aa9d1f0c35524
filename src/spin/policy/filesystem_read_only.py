"""A filesystem that the site gives read-only."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        if found.filesystem.read_only and not found.bind.read_only:
            yield found.place()


RULE = Rule(
    code="filesystem-read-only",
    severity=Severity.REFUSE,
    title="What the site gives read-only is mounted read-only",
    message="{filesystem} can be mounted read-only alone, and {path} is mounted writable.",
    instead="Write `{path}:{target}:ro`.",
    why="""The operators have said in the site file that nothing is written to this filesystem from containers. It is refused rather than
        quietly made read-only, so that a service that does write fails here and not at its first write.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/data:/data"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    site="""
        [[filesystems]]
        name = "cfs"
        path = "/global/cfs"
        read_only = true
    """,
    find=_find,
)
