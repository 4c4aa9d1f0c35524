"""Two replicas that write to one volume: databases are corrupted by that, and users have done it."""

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
    severity=Severity.REFUSE,
    message="{count} replicas would write to the volume {volume} at once; that corrupts a database.",
    instead="Run one replica, or mount the volume read-only (`{volume}:/path:ro`).",
    find=_find,
)
