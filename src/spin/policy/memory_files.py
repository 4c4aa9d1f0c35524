"""Files in memory: `shm_size` and `tmpfs` count towards a container's memory."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        limit = service.resources.memory_bytes or max(case.site.limits.memory_bytes, service.resources.reserved_memory_bytes or 0)
        if service.shm_bytes is not None and service.shm_bytes > limit:
            yield Place(
                f"services.{service.name}.shm_size", service.name, {"what": "shm_size", "size": service.shm_bytes, "limit": limit}
            )
        for tmpfs in service.tmpfs:
            if tmpfs.size_bytes is not None and tmpfs.size_bytes > limit:
                values = {"what": f"tmpfs {tmpfs.target}", "size": tmpfs.size_bytes, "limit": limit}
                yield Place(f"services.{service.name}.tmpfs", service.name, values)


RULE = Rule(
    code="memory-files",
    severity=Severity.REFUSE,
    title="Files in memory fit into the container's memory",
    message="`{what}` may hold {size} bytes, and the container has {limit} of memory.",
    instead="Write a smaller size, or a larger `deploy.resources.limits.memory`.",
    why="What is written to a tmpfs or to /dev/shm is memory of the container. Larger than its limit, it cannot be "
    "filled: the program is killed half-way, and what was promised as space was never there.",
    example="""
        services:
          db:
            image: postgres:16
            shm_size: 8g
            deploy: {resources: {limits: {memory: 1g}}}
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            shm_size: 256m
            deploy: {resources: {limits: {memory: 1g}}}
    """,
    find=_find,
)
