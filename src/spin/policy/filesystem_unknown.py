"""Paths of which nothing can be told."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted
from spin.site import is_system_path


def _find(case: Case) -> Iterator[Place]:
    if not case.ground.platform:
        for service in case.spec.services:
            for bind in service.binds:
                if not is_system_path(bind.source):
                    values = {"path": bind.source, "why": "only a platform knows the site's filesystems"}
                    yield Place(f"services.{service.name}.volumes", service.name, values)
    for found in mounted(case):
        for facts in (found.facts, found.root):
            if facts is not None and facts.unknown:
                yield found.place(why=facts.unknown.rstrip("."))
                break


RULE = Rule(
    code="filesystem-unknown",
    severity=Severity.WARN,
    title="A mounted path can be looked at before anything starts",
    message="Nothing is known of {path}: {why}.",
    instead="See to it yourself that it is there, that it is no link, and that its account may pass each directory above it.",
    why="""The directories above a mount are looked at on the engine's host. Where the engine runs on another machine, or the filesystem
        does not let the platform look, whether a container can be made shows at its start. Without a platform (`spin check`
        alone) nobody knows which filesystems the site has.""",
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
    """,
    find=_find,
)
