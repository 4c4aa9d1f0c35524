"""A link that leads out of the filesystem."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        if found.facts is not None and found.facts.real and found.root is not None and found.root.real and found.real is None:
            yield found.place(real=found.facts.real)


RULE = Rule(
    code="filesystem-link",
    severity=Severity.REFUSE,
    title="A link does not lead out of the filesystem",
    message="{path} leads to {real} by a symbolic link, and that is not on {filesystem}.",
    instead="Mount a directory that lies on {filesystem} itself.",
    why="""A symbolic link on a shared filesystem can be made by anybody and can lead anywhere, to the host's own `/etc` or the Docker
        socket. A path is followed to its end when a change is accepted, and again when a container is made; what is mounted
        is the end, not the link. Links that stay on the filesystem are fine.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/etc:/data:ro"]
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
