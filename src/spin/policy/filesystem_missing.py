"""A path that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.paths import PathKind
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        facts = found.facts
        if facts is None:
            continue
        if facts.missing:
            yield found.place(what=f"there is no {facts.missing} on {found.filesystem.name}")
        elif facts.way and facts.way[-1].kind is PathKind.OTHER:
            yield found.place(what="it is neither a directory nor a file")


RULE = Rule(
    code="filesystem-missing",
    severity=Severity.REFUSE,
    title="What is mounted is there",
    message="{path} cannot be mounted: {what}.",
    instead="Make the directory first, or mend the path.",
    why="""Docker makes a missing directory of a bind mount itself, as root's, and Compose users know the empty directory with the wrong
        owner that comes of a typing error. On a filesystem that people share nothing is made: the path is looked up when the
        change is accepted. Sockets and devices are no data, and are not mounted.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/dta:/data:ro"]
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
