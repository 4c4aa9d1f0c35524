"""What a pass takes over from the status that the one before has stored: since when things are as they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from spin.model.observed import Instance, Phase, Snapshot
from spin.model.status import DeploymentStatus, InstanceStatus


def remember(snapshot: Snapshot, before: DeploymentStatus | None, now: datetime) -> Snapshot:
    """`snapshot`, which has been through `mark_routed`, with `ready_since` and `draining_since`.

    What was never seen routed does not drain: nothing was led to it.
    """
    known = {} if before is None else {i.id: i for i in before.instances}
    return replace(snapshot, instances=tuple(_remembered(i, known.get(i.id), now) for i in snapshot.instances))


def _remembered(instance: Instance, before: InstanceStatus | None, now: datetime) -> Instance:
    same_run = before is not None and before.since == instance.since
    ready = None
    if instance.phase is Phase.READY:
        ready = before.ready_since if before is not None and same_run and before.ready_since is not None else now
    draining = None
    if before is not None and instance.alive and not instance.routed:
        draining = before.draining_since or (now if before.routed else None)
    return replace(instance, ready_since=ready, draining_since=draining)
