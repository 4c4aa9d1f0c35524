"""What has happened between two looks at a deployment, as events. And what a pass's steps did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from spin.model.event import Event, Kind
from spin.model.names import DeploymentKey
from spin.model.revision import Origin, Revision
from spin.model.run import Run, RunState
from spin.model.status import DeploymentStatus, InstanceStatus
from spin.model.steps import PullImage, Step
from spin.plan import jobs
from spin.plan.text import what


def happenings(key: DeploymentKey, revision: int, old: DeploymentStatus | None, new: DeploymentStatus) -> tuple[Event, ...]:
    """The events that lead from the status `old` to `new`: states, containers, and an upgrade that failed."""
    found = [*_containers(key, old, new), *_services(key, old, new)]
    if old is None or old.state is not new.state:
        before = "" if old is None else f"{old.state.value} -> "
        found.append(_event(key, new.observed, Kind.STATE, f"{key.stack}: {before}{new.state.value}", new.detail))
    failure = None if new.progress is None else new.progress.failure
    known = None if old is None or old.progress is None else old.progress.failure
    if failure is not None and failure != known:
        text = f"the upgrade to revision {revision} failed at {failure.service}" if failure.service else "the upgrade failed"
        found.append(_event(key, failure.when, Kind.FAILED, text, failure.reason, service=failure.service or None))
    return tuple(_at(event, revision) for event in found)


def _services(key: DeploymentKey, old: DeploymentStatus | None, new: DeploymentStatus) -> Iterator[Event]:
    before = {} if old is None else {s.service: s for s in old.services}
    for service in new.services:
        was = before.get(service.service)
        if was is None or was.state is not service.state:
            text = f"{service.service}: " + ("" if was is None else f"{was.state.value} -> ") + service.state.value
            yield _event(key, new.observed, Kind.STATE, text, service.detail, service=service.service)
    for name in before.keys() - {s.service for s in new.services}:
        yield _event(key, new.observed, Kind.STATE, f"{name}: gone from the stack", service=name)


def _containers(key: DeploymentKey, old: DeploymentStatus | None, new: DeploymentStatus) -> Iterator[Event]:
    before = {} if old is None else {i.id: i for i in old.instances}
    for instance in new.instances:
        was = before.get(instance.id)
        if was is None:
            yield _container(key, new, instance, f"{instance.name}: {instance.phase}")
        elif instance.restarts > was.restarts:
            yield _container(key, new, instance, f"{instance.name}: started again by the engine (restart {instance.restarts})")
        elif instance.phase != was.phase:
            yield _container(key, new, instance, f"{instance.name}: {was.phase} -> {instance.phase}")
    there = {i.id for i in new.instances}
    for instance in before.values():
        if instance.id not in there:
            yield _container(key, new, instance, f"{instance.name}: gone")


def _container(key: DeploymentKey, new: DeploymentStatus, instance: InstanceStatus, text: str) -> Event:
    cause = instance.detail
    return _event(key, new.observed, Kind.CONTAINER, text, cause, service=instance.service, container=instance.name)


def done(key: DeploymentKey, revision: int, steps: Iterable[tuple[Step, str | None]], now: datetime) -> tuple[Event, ...]:
    """Steps that were carried out, each with the service that it is about."""
    return tuple(
        _at(_event(key, now, Kind.STEP, what(step), step.cause, service=service), revision)
        for step, service in steps
        if _told(step)
    )


def _told(step: Step) -> bool:
    """Pulling is told only where it fails: the engine has most images already, and then there is nothing to pull."""
    return not isinstance(step, PullImage)


def of_runs(key: DeploymentKey, before: Sequence[Run], after: Iterable[Run], now: datetime) -> tuple[Event, ...]:
    """What became of runs of jobs; `before`: as they were."""
    events = []
    for run in after:
        text = jobs.happened([r for r in before if r.service == run.service], run)
        if not text:
            continue
        bad = run.state in (RunState.FAILED, RunState.TIMED_OUT, RunState.MISSED)
        cause = run.detail or jobs.cause_of(run)
        kind = Kind.FAILED if bad else Kind.STATE
        events.append(_at(_event(key, now, kind, text, cause, verb="job", service=run.service), run.revision))
    return tuple(events)


def failed(key: DeploymentKey, revision: int, failures: Iterable[tuple[str | None, str]], now: datetime) -> tuple[Event, ...]:
    """Steps that could not be done: (service, reason) for each."""
    return tuple(
        _at(_event(key, now, Kind.FAILED, "a step failed", reason, service=service), revision)
        for service, reason in dict.fromkeys(failures)
    )


def decided(key: DeploymentKey, revision: Revision | None, number: int, now: datetime) -> Event:
    """An automatic rollback (then with its revision), or an automatic confirmation."""
    if revision is not None and revision.origin is Origin.ROLLBACK:
        text, cause = f"revision {revision.number}: rolled back", revision.note.partition("\n")[0]
        return _at(_event(key, now, Kind.DECIDED, text, cause, verb="rollback"), revision.number)
    return _at(
        _event(key, now, Kind.DECIDED, f"revision {number} is confirmed", "healthy for long enough", verb="confirm"), number
    )


def _event(
    key: DeploymentKey,
    time: datetime,
    kind: Kind,
    text: str,
    cause: str = "",
    *,
    verb: str = "",
    service: str | None = None,
    container: str | None = None,
) -> Event:
    return Event(
        time,
        kind,
        text,
        verb=verb,
        cause=cause,
        project=key.project,
        environment=key.environment,
        stack=key.stack,
        service=service,
        container=container,
    )


def _at(event: Event, revision: int) -> Event:
    return replace(event, revision=revision)
