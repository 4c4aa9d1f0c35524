"""Mount the deepest directory that will do."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.paths import steps_below
from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule
from spin.policy.mounted import mounted

LEAST = Parameter("least", 2, "How many directories below the filesystem's own a mount is expected to be.")


def _find(case: Case) -> Iterator[Place]:
    least = LEAST.of(case)
    for found in mounted(case):
        depth = min(steps_below(name, found.filesystem.path) for name in found.names)
        if 0 < depth < least:
            yield found.place()


RULE = Rule(
    code="filesystem-depth",
    severity=Severity.WARN,
    title="Mount the deepest directory that will do",
    message="{path} is near the top of {filesystem}: service {service} sees everything below it.",
    instead="Mount the deepest directory that will do, such as {path}/DIRECTORY.",
    why="""The original platform asked for the deepest directory that will do. What a service does not see, nobody who breaks into it can
        read, and no slip of a program can overwrite.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics:/data:ro"]
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
    parameters=(LEAST,),
    find=_find,
)
