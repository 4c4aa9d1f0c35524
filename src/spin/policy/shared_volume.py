"""Two replicas that write to one volume: databases are corrupted by that."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        written = [mount.volume for mount in service.mounts if not mount.read_only]
        if service.replicas > 1 and written:
            values = {"count": service.replicas, "volume": written[0]}
            yield Place(f"services.{service.name}.volumes", service.name, values)


RULE = Rule(
    code="shared-volume",
    severity=Severity.WARN,
    message="{count} replicas write to the volume {volume}; a database is corrupted by that.",
    instead="Run one replica, or mount the volume read-only (`{volume}:/path:ro`).",
    find=_find,
)
