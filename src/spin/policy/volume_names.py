"""The convention of volume names (DOMAIN: volumes are named `<service>.<stack>`)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    if len(case.spec.volumes) < 2:
        return  # a stack's only volume cannot be mistaken for another one
    for volume in case.spec.volumes:
        users = [s.name for s in case.spec.services if any(m.volume == volume.name for m in s.mounts)]
        if not any(_names(volume.name, name) for user in users for name in (user, user.partition("-")[2]) if name):
            yield Place(f"volumes.{volume.name}", None, {"name": volume.name, "service": users[0]})


def _names(volume: str, service: str) -> bool:
    """Whether the volume's name begins with the service's, or with what stands behind the kind of it (`grafana` of `web-grafana`)."""
    return volume == service or volume.startswith((f"{service}.", f"{service}-", f"{service}_"))


RULE = Rule(
    code="volume-names",
    severity=Severity.ADVISE,
    title="Of several volumes each is named for the service that uses it",
    message="By convention a volume is named for the service that uses it, and {name} does not say which that is.",
    instead="Call a new one {service}.STACK, {service} or {service}-{name}. Leave the name of one that holds data: under another name the "
    "service would find an empty volume.",
    why="Volumes outlive containers, stacks and the people who made them. Whoever looks through `spin volume ls` for what can go, or for "
    "what has to be saved, has only the name. The original platform's convention was `<service>.<stack>`; since a volume belongs to "
    "its stack here, the service alone will do.",
    example="""
        services:
          db:
            image: postgres:16
            volumes: ["data:/var/lib/postgresql/data"]
          web:
            image: nginx:1.27
            volumes: ["web-cache:/var/cache/nginx"]
        volumes:
          data:
          web-cache:
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            volumes: ["db-data:/var/lib/postgresql/data"]
          web:
            image: nginx:1.27
            volumes: ["web-cache:/var/cache/nginx"]
        volumes:
          db-data:
          web-cache:
    """,
    find=_find,
)
