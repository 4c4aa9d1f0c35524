"""What people are told of a deployment: a word and a reason for every service and for the stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from spin.kit import cron
from spin.model.names import container_name
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.run import Run, RunState
from spin.model.status import DeploymentStatus, Failure, InstanceStatus, ServiceStatus, State
from spin.plan.desired import Desired, DesiredService
from spin.plan.services import (
    Survey,
    View,
    asked_for,
    ended_badly,
    ended_well,
    how_it_ended,
    is_replaceable,
    is_stuck,
    restarted,
    serves,
    survey,
    waits_for,
)

_MOVING = (State.REMOVING, State.ROLLING_BACK, State.UPGRADING, State.INITIALIZING, State.STOPPING)
_WELL = frozenset({State.HEALTHY, State.UPGRADED, State.COMPLETED, State.SCHEDULED})


def status(desired: Desired, observed: Snapshot, now: datetime) -> DeploymentStatus:
    """The status as of `observed`. A service is HEALTHY only when nothing is left to do to its containers."""
    found = survey(desired, observed)
    retired = [i for v in found.views if v.service.retired for i in v.to_do]
    wanted = [v for v in found.views if not v.service.retired]
    lasting = [_service(view, found, observed, desired) for view in wanted]
    runs = [_job(service, desired, observed, now) for service in desired.jobs]
    leftover = [s for s in _strays((*found.strays, *retired)) if desired.job(s.service) is None]
    services = (*sorted((*lasting, *runs), key=lambda s: s.service), *leftover)
    if desired.removed:
        state, detail = _removal(desired, observed)
    else:
        state, detail = roll_up(services)
        if state in _WELL and desired.upgrade is not None:
            state = State.UPGRADED
    return DeploymentStatus(
        generation=desired.generation,
        state=state,
        services=services,
        instances=_instances(desired, found, observed),
        observed=now,
        detail=detail,
    )


def roll_up(services: Sequence[ServiceStatus]) -> tuple[State, str]:
    """The stack's word and reason. As in the original, except that a stack that was stopped as a whole is stopped, not unhealthy.

    No services: healthy. What is under way comes first; then failures; then degraded, where anything works, or unhealthy. One
    stopped service makes its stack degraded.
    """
    states = {s.state for s in services}
    for moving in _MOVING:
        if moving in states:
            return State.UPGRADING if moving is State.REMOVING else moving, _reason(services, moving)
    if State.FAILED in states:
        return State.FAILED, _reason(services, State.FAILED)
    if states <= _WELL:
        if State.UPGRADED in states:
            return State.UPGRADED, ""
        return State.COMPLETED if states == {State.COMPLETED} else State.HEALTHY, ""
    if states == {State.STOPPED}:
        return State.STOPPED, ""
    for worst in (State.UNHEALTHY, State.DEGRADED, State.STOPPED):
        if worst in states:
            works = states & {*_WELL, State.DEGRADED}
            return State.DEGRADED if works else State.UNHEALTHY, _reason(services, worst)
    raise AssertionError(states)


def _reason(services: Iterable[ServiceStatus], state: State) -> str:
    """The first service in that state, with its reason."""
    first = next(s for s in services if s.state is state)
    return f"{first.service}: {first.detail or first.state.value}"


def _removal(desired: Desired, observed: Snapshot) -> tuple[State, str]:
    left = (
        _count(len(observed.instances), "container", "containers"),
        _count(len(observed.networks), "network", "networks"),
        _count(len(observed.volumes) if desired.remove_volumes else 0, "volume", "volumes"),
        _count(len(observed.files), "set of files", "sets of files"),
    )
    words = ", ".join(text for text in left if text)
    return (State.REMOVING, f"left: {words}") if words else (State.REMOVED, "")


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}" if number else ""


def _strays(strays: Sequence[Instance]) -> Iterable[ServiceStatus]:
    for name in sorted({i.service for i in strays}):
        ready = sum(i.phase is Phase.READY for i in strays if i.service == name)
        yield ServiceStatus(name, State.REMOVING, ready, 0, "no longer part of the stack")


def _instances(desired: Desired, found: Survey, observed: Snapshot) -> tuple[InstanceStatus, ...]:
    kept = {i.id for view in found.views for i in view.kept}
    digests = {s.name: s.digest for s in (*desired.services, *desired.jobs)}
    everything = sorted(observed.instances, key=lambda i: (i.service, i.slot, i.attempt, i.digest, i.id))
    return tuple(
        InstanceStatus(
            name=container_name(desired.key.stack, i.service, i.slot),
            id=i.id,
            service=i.service,
            slot=i.slot,
            phase=i.phase.value,
            since=i.since,
            current=digests.get(i.service) == i.digest,
            routed=i.routed,
            address=i.address,
            restarts=i.restarts,
            detail=_detail(i, kept=i.id in kept),
            kept=i.id in kept,
            ready_since=i.ready_since,
            draining_since=i.draining_since,
        )
        for i in everything
    )


def _detail(i: Instance, *, kept: bool) -> str:
    if i.altered or i.phase is not Phase.EXITED:
        return i.altered or i.detail
    return f"kept for a rollback, {how_it_ended(i)}" if kept else i.detail or how_it_ended(i)


# One service.


def _job(service: DesiredService, desired: Desired, observed: Snapshot, now: datetime) -> ServiceStatus:
    """A job: `ready` of its runs go on, of `wanted` that should."""
    runs = desired.book.of(service.name)
    alive = [i for i in observed.instances if i.service == service.name and i.alive]
    active = [r for r in runs if r.active]
    if service.stopped:
        return ServiceStatus(service.name, State.STOPPING if alive or active else State.STOPPED, 0, 0)
    running = sum(r.state is RunState.RUNNING for r in active)
    return ServiceStatus(service.name, State.SCHEDULED, running, len(active), "; ".join(_said_of_runs(service, runs, now)))


def _said_of_runs(service: DesiredService, runs: Sequence[Run], now: datetime) -> Iterable[str]:
    for run in (r for r in runs if r.active):
        yield f"run {run.number} is {run.state.value}" + (f": {run.detail}" if run.detail else "")
    last = max((r for r in runs if not r.active), key=lambda r: r.number, default=None)
    if last is not None:
        yield f"run {last.number} {_PAST[last.state]}" + (f": {last.detail}" if last.detail else "")
    schedule = service.spec.schedule
    due = None if schedule is None else cron.following(schedule.times, now)
    yield "it has no next time" if due is None else f"next {due:%Y-%m-%d %H:%M} UTC"


_PAST = {
    RunState.SUCCEEDED: "succeeded",
    RunState.FAILED: "failed",
    RunState.TIMED_OUT: "timed out",
    RunState.STOPPED: "was stopped",
    RunState.SKIPPED: "was skipped",
    RunState.MISSED: "was missed",
}


def _service(view: View, found: Survey, observed: Snapshot, desired: Desired) -> ServiceStatus:
    service = view.service
    if service.stopped:
        moving = bool(view.to_do) or any(i.alive for i in view.instances)
        return ServiceStatus(view.name, State.STOPPING if moving else State.STOPPED, 0, 0)
    ready = sum(serves(service, i) or ended_well(service, i) for i in view.keepers)
    state, detail = _judge(view, found, observed, ready)
    ready = max(ready, min(view.serving, service.replicas))  # those from before the change count as long as they serve
    if state is State.HEALTHY and service.held and desired.failure is not None:
        state, detail = State.FAILED, _why_held(view.name, desired.failure)
    elif state is State.HEALTHY and service.kept is not None:
        state = State.UPGRADED
    elif state is State.UPGRADING and (service.held or desired.rolling_back):
        state = State.ROLLING_BACK
    return ServiceStatus(view.name, state, ready, service.replicas, detail)


def _why_held(name: str, failure: Failure) -> str:
    if name == failure.service:
        return f"the upgrade failed: {failure.reason}; the containers from before serve"
    return f"not upgraded, as {failure.service} failed; the containers from before serve"


def _judge(view: View, found: Survey, observed: Snapshot, ready: int) -> tuple[State, str]:
    service = view.service
    stray_routes = service.spec.http is None and service.number is None and any(i.routed for i in view.keepers)
    if ready == service.replicas and not view.to_do and not stray_routes:
        run_once = any(ended_well(service, i) for i in view.keepers) and not any(i.alive for i in view.keepers)
        return State.COMPLETED if run_once else State.HEALTHY, ""
    works = view.serving > 0
    failures = [_end(i) for i in view.keepers if ended_badly(service, i)]
    if failures:
        return State.FAILED, _summary(failures, view)
    troubles = [text for i in view.keepers if (text := _trouble(view, i))]
    if troubles:
        still = "; earlier containers still serve" if _is_upgrade(view) and works else ""
        return State.DEGRADED if works else State.UNHEALTHY, _summary(troubles, view) + still
    waiting = waits_for(view, found)
    if waiting and is_stuck(view, found):
        return State.DEGRADED if works else State.FAILED, waiting
    detail = waiting or _progress(view, observed)
    return State.UPGRADING if view.to_do or stray_routes else State.INITIALIZING, detail


def _is_upgrade(view: View) -> bool:
    return any(not view.is_current(i) for i in view.to_do)


def _trouble(view: View, i: Instance) -> str:
    """What is wrong with a container that should serve; empty when it is on its way for the first time."""
    match i.phase:
        case Phase.UNHEALTHY:
            kept = "" if is_replaceable(view.service) else " (restart: no, so it is left as it is)"
            return (f"unhealthy: {i.detail}" if i.detail else "unhealthy") + kept
        case Phase.EXITED if not (ended_well(view.service, i) or asked_for(view.service, i)):
            return _end(i)
        case Phase.UNKNOWN:
            return f"state unknown: {i.detail}" if i.detail else "state unknown"
        case Phase.CREATED if i.detail:
            return f"cannot be started: {i.detail}"
        case Phase.STARTING if i.restarts > 0 and (i.exit_code is not None or i.oom_killed):
            return how_it_ended(i)
        case Phase.STARTING if i.restarts > 0:
            return f"starting again{restarted(i)}" + (f": {i.detail}" if i.detail else "")
        case Phase.STARTING if i.attempt > 1:
            return f"starting again, attempt {i.attempt}" + (f": {i.detail}" if i.detail else "")
        case _:
            return ""


def _end(i: Instance) -> str:
    """How it ended, with what else the engine has to say of it."""
    plain = how_it_ended(replace(i, restarts=0))
    return how_it_ended(i) + (f": {i.detail}" if i.detail and i.detail != plain else "")


def _progress(view: View, observed: Snapshot) -> str:
    """What is being done, in the order in which it is done."""
    service = view.service
    if view.missing and service.spec.image.pinned not in observed.images:
        return "fetching the image"
    if view.missing:
        return "being created"
    if any(i.phase is Phase.CREATED for i in view.keepers):
        return "being started"
    starting = next((i for i in view.keepers if i.phase is Phase.STARTING), None)
    if starting is not None:
        return f"starting: {starting.detail}" if starting.detail else "starting"
    if any(not serves(service, i) and not ended_well(service, i) for i in view.keepers):
        return "being added to the routes"
    return "what is not needed any more is being removed"


def _summary(texts: Sequence[str], view: View) -> str:
    """The most frequent of `texts`, and how many containers it is true of where there are several."""
    text, count = Counter(texts).most_common(1)[0]
    return text if view.service.replicas == 1 else f"{text} ({count} of {view.service.replicas} containers)"
