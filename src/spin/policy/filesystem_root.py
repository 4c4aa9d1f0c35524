"""A filesystem as a whole is never mounted."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.paths import steps_below
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        if any(steps_below(name, found.filesystem.path) == 0 for name in found.names):
            yield found.place()


RULE = Rule(
    code="filesystem-root",
    severity=Severity.REFUSE,
    title="A filesystem is not mounted as a whole",
    message="{path} is all of {filesystem}.",
    instead="Mount the deepest directory that will do, such as {path}/PROJECT/DIRECTORY.",
    why="""Whoever breaks into the service sees whatever its account may see, and what is not mounted cannot be seen. A mount of the
        whole filesystem gives away everything at once, and a slip of a program reaches all of it.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs:/data:ro"]
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
    """,
    find=_find,
)
