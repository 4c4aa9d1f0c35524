"""The gate of an upgrade: whether what it has made holds up, or it has to stop. Pure; the loop stores and acts on the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import floor

from spin.model.names import container_name
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.revision import Upgrade
from spin.model.stack import FailureAction
from spin.model.status import DeploymentStatus, Failure, State
from spin.plan.desired import Desired, DesiredService
from spin.plan.services import Survey, View, asked_for, ended_badly, ended_well, how_it_ended, is_settled, survey

CRASHES = 3
"""So often may a new container end and be started again before the upgrade has failed: some wait for others by failing."""
_STOPPED = (None, 0, 137, 143)
"""Exit statuses of what somebody has stopped (128 + SIGKILL, SIGTERM); the planner starts it again."""
_WELL = (State.HEALTHY, State.UPGRADED, State.COMPLETED, State.SCHEDULED)
_RUNNING = (Phase.STARTING, Phase.READY, Phase.UNHEALTHY)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The upgrade has to stop: why, and whether the base is to run again as a whole."""

    failure: Failure
    roll_back: bool
    culprit: Instance | None
    """The container whose last lines say more."""


def is_complete(desired: Desired, seen: DeploymentStatus) -> bool:
    """Everything that the upgrade exchanges, brings or takes away is as it wants it; what else is wrong is not the upgrade's."""
    if desired.upgrade is None or desired.failure is not None:
        return False
    states = {s.service: s.state for s in seen.services}
    ours = [s for s in desired.services if (s.changed and not s.stopped) or s.retired]
    return all(states.get(s.name, State.HEALTHY if s.retired else None) in _WELL for s in ours)


def judge(
    desired: Desired, observed: Snapshot, seen: DeploymentStatus, now: datetime, *, roll_back: bool, patience: timedelta
) -> Verdict | None:
    """Why the unconfirmed upgrade, which is not complete yet, has to stop; None while it may go on.

    `roll_back`: what the environment does with an upgrade that failed, where neither the person who asked nor the service says.
    `patience`: an upgrade in which nothing moves for this long has failed.
    """
    if desired.upgrade is None or desired.failure is not None:
        return None
    found = survey(desired, observed)
    gated = [v for v in found.views if v.service.changed and not v.service.stopped]
    for view in gated:
        action = _action(desired, view.service, roll_back=roll_back)
        failed = [i for i in view.instances if view.is_current(i) and _has_failed(view, i)]
        tolerated = floor(view.service.spec.update.max_failure_ratio * view.service.replicas)
        if action is not FailureAction.CONTINUE and len({i.slot for i in failed}) > tolerated:
            return _verdict(found, view, failed[0], _reason(desired, failed[0]), now, action)
    unfinished = next((v for v in gated if not _is_done(v, now)), None)
    if unfinished is None or stalled_at(desired.upgrade, desired, observed, patience) > now:
        return None
    action = _action(desired, unfinished.service, roll_back=roll_back)
    if action is FailureAction.CONTINUE:
        return None
    said = next((s.detail for s in seen.services if s.service == unfinished.name and s.detail), "it does not come up")
    reason = f"nothing has moved for {patience.total_seconds():g} s: {said}"
    culprit = next((i for i in unfinished.keepers if i.phase is Phase.STARTING), None)
    return _verdict(found, unfinished, culprit, reason, now, action)


def stalled_at(upgrade: Upgrade, desired: Desired, observed: Snapshot, patience: timedelta) -> datetime:
    """When the upgrade will have failed, if nothing moves until then."""
    digests = {s.name: s.digest for s in desired.services if s.changed}
    moves = [i.since for i in observed.instances if digests.get(i.service) == i.digest and i.phase in _RUNNING and not i.restarts]
    return max([upgrade.changed, *moves]) + patience


def _action(desired: Desired, service: DesiredService, *, roll_back: bool) -> FailureAction:
    asked = desired.upgrade.on_failure if desired.upgrade is not None else None
    return asked or service.spec.update.failure_action or (FailureAction.ROLLBACK if roll_back else FailureAction.PAUSE)


def _has_failed(view: View, i: Instance) -> bool:
    match i.phase:
        case Phase.UNHEALTHY:
            return True
        case Phase.EXITED:
            # The engine starts again what crashes; what it has given up, or could not start at all, does not come up by waiting.
            return ended_badly(view.service, i) or (i.exit_code not in _STOPPED and not asked_for(view.service, i))
        case Phase.STARTING:
            return i.restarts >= CRASHES or (i.restarts > 0 and i.oom_killed)
        case _:
            return False


def _is_done(view: View, now: datetime) -> bool:
    """All its new containers have been watched for long enough, and the old ones have ended."""
    well = [i for i in view.keepers if is_settled(view.service, i, now) or ended_well(view.service, i)]
    return len(well) == view.service.replicas and not any(i.alive for i in view.leftovers)


def _verdict(found: Survey, view: View, culprit: Instance | None, reason: str, now: datetime, action: FailureAction) -> Verdict:
    held = [
        v.name for v in found.views if v.name == view.name or ((v.service.changed or v.service.retired) and not _is_done(v, now))
    ]
    failure = Failure(view.name, reason, now, held=tuple(sorted(held)))
    return Verdict(failure, action is FailureAction.ROLLBACK, culprit)


def _reason(desired: Desired, i: Instance) -> str:
    name = container_name(desired.key.stack, i.service, i.slot)
    if i.phase is Phase.UNHEALTHY:
        return f"{name} is unhealthy" + (f": {i.detail}" if i.detail else "")
    plain = how_it_ended(replace(i, restarts=0))
    return f"{name}: {how_it_ended(i)}" + (f": {i.detail}" if i.detail and not i.detail.startswith(plain) else "")
