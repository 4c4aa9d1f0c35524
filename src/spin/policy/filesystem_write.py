"""A mount of a site's filesystem is read-only unless the service writes."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        if not found.bind.read_only and not found.filesystem.read_only:
            yield found.place()


RULE = Rule(
    code="filesystem-write",
    severity=Severity.WARN,
    title="A site's filesystem is mounted read-only unless the service writes",
    message="{path} of {filesystem} is mounted writable: service {service} can change and remove whatever its account may.",
    instead="Write `{path}:{target}:ro`, unless the service writes there.",
    why="""Compose mounts writable unless the file says otherwise, and most services only read. What is mounted read-only cannot be
        damaged by a slip, nor by whoever breaks in. A service that does write is replaced one container after the other
        (`stop-first`), so that old and new do not write to the same files, unless the file asks for `start-first`.""",
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
    """,
    find=_find,
)
