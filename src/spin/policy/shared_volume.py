"""Two replicas that write to one volume: databases are corrupted by that, and users have done it."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.wellknown import is_database


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        written = [mount.volume for mount in service.mounts if not mount.read_only]
        if service.replicas > 1 and written and not is_database(service):  # database-scaled says it
            values = {"count": service.replicas, "volume": written[0]}
            yield Place(f"services.{service.name}.volumes", service.name, values)


RULE = Rule(
    code="shared-volume",
    severity=Severity.REFUSE,
    title="Two replicas do not write to one volume",
    message="{count} replicas would write to the volume {volume} at once; few programs can do that without damage.",
    instead="Run one replica, or mount the volume read-only (`{volume}:/path:ro`).",
    why="A database, and most other programs that write files, take it for granted that nobody else writes to them. Two "
    "replicas on one volume damage the data, mostly without an error, and users of the original platform have lost "
    "databases that way.",
    example="""
        services:
          app:
            image: localhost:5000/lab/notes:1.0
            volumes: ["data:/var/lib/notes"]
            deploy: {replicas: 2}
        volumes:
          data:
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/notes:1.0
            volumes: ["data:/var/lib/notes"]
            deploy: {replicas: 1}
        volumes:
          data:
    """,
    optional=True,
    find=_find,
)
