"""A filesystem that is not there in this environment."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        where = found.filesystem.environments
        if where and case.ground.environment is not None and case.ground.environment not in where:
            yield found.place(environment=case.ground.environment, environments=", ".join(where))


RULE = Rule(
    code="filesystem-environment",
    severity=Severity.REFUSE,
    title="A filesystem is mounted where the site has it",
    message="{path} is of {filesystem}, which is not there in {environment}.",
    instead="Bring the stack up where it is: {environments}.",
    why="""A site may have a filesystem on the engines of some environments alone, as the site file says (`environments`). A container
        that was told to mount what is not there would fail at its start, again and again.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/data:/data:ro"]
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
        environments = ["production"]
    """,
    find=_find,
)
