"""Jobs: services with a schedule. List them with what is due next, look at their runs, and run one now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spin.access import Action
from spin.errors import Conflict, NotFound
from spin.kit import cron
from spin.model.log import LogSource, Span
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.revision import Deployment, Revision
from spin.model.run import NO_JOBS, JobBook, Run
from spin.model.stack import Schedule
from spin.model.status import DeploymentStatus
from spin.plan import desire, jobs
from spin.ports.store import UnitOfWork
from spin.usecases.journal import accepted_change, audited
from spin.usecases.log_reading import LogReader, Piece, merged
from spin.usecases.logs import no_service
from spin.usecases.operate import refuse_removed
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, find, no_stack

_SECOND = timedelta(seconds=1)
"""Engines tell a container's time of creation in seconds."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of a job."""

    service: str
    number: int
    state: str
    """waiting, running, succeeded, failed, timed-out, stopped, skipped or missed."""
    reason: str
    """`schedule` or `manual`."""
    by: str
    """Who asked for a manual one."""
    scheduled: datetime | None
    """The time of the schedule that it is for; of those that were skipped or missed in a row, the last."""
    wanted: datetime
    """When it was recorded as due, or asked for."""
    started: datetime | None
    ended: datetime | None
    exit_code: int | None
    detail: str
    revision: int
    times: int
    """Skipped or missed: how many in a row."""
    logs: bool
    """Whether what it has written can be read: its container is there, or the site keeps its log."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A service with a schedule."""

    environment: str
    stack: str
    service: str
    schedule: str
    overlap: str
    timeout_ms: int | None
    keep: int
    stopped: bool
    next: datetime | None
    """None where it is stopped."""
    running: int
    """Runs that go on, or wait to begin."""
    last: RunView | None
    """The newest run that has ended, was skipped or missed."""


async def list_jobs(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str | None = None
) -> tuple[JobView, ...]:
    """The jobs of a stack, or of all the project's stacks in the environment. Raises NotFound and NotAllowed."""
    now = platform.clock.now()
    async with platform.store.begin() as work:
        if stack is not None:
            deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
            revision = await _revision(work, deployment)
            book, there = await work.job_book(deployment.key), _there(await work.status(deployment.key))
            return await _with_logs(platform, deployment.key, _jobs_of(deployment, revision, book, there, now))
        name = await allow(work, principal, Action.READ, project)
        where = platform.environment(environment).name
        revisions, statuses = await work.desired_revisions(name, where), await work.statuses(name, where)
        books = await work.job_books(name, where)
        found: list[JobView] = []
        for deployment in await work.deployments(name, where):
            wanted = revisions.get(deployment.key)
            if wanted is not None:
                book, there = books.get(deployment.key, NO_JOBS), _there(statuses.get(deployment.key))
                found += await _with_logs(platform, deployment.key, _jobs_of(deployment, wanted, book, there, now))
        return tuple(found)


async def list_runs(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, service: str
) -> tuple[RunView, ...]:
    """The runs of a job that are remembered, the newest first. Raises NotFound and NotAllowed."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = await _revision(work, deployment)
        book = await work.job_book(deployment.key)
        there = _there(await work.status(deployment.key))
    runs = book.of(service)
    if not runs:
        _schedule_of(deployment.key, revision, service)
    found = tuple(_run(r, there) for r in reversed(runs))
    kept = await _kept(platform, deployment.key) if any(_may_be_kept(r) for r in found) else ()
    return tuple(replace(r, logs=r.logs or _log_of(r, kept) is not None) for r in found)


@audited("job run")
async def run_job(platform: Platform, principal: Principal, project: str, environment: str, stack: str, service: str) -> RunView:
    """Run a job now, beside its schedule.

    Raises NotFound (stack or service), NotAllowed, and Conflict where the service has no schedule, is stopped, or may not run
    beside the run that goes on.
    """
    async with platform.store.begin(write=True) as work:
        deployment = await find(platform, work, principal, Action.JOBS, project, environment, stack)
        refuse_removed(deployment)
        key, revision = deployment.key, await _revision(work, deployment)
        _schedule_of(key, revision, service)
        desired = desire(deployment, revision, book=await work.job_book(key))
        job = desired.job(service)
        if job is None:
            raise no_service(key, service, tuple(s.name for s in revision.spec.services))
        now = platform.clock.now()
        asked = jobs.ask(desired, job, now, principal.user)
        await work.save_jobs(key, asked.jobs, asked.runs)
        new = asked.runs[-1]
        text = f"run {new.number} of {key.stack}/{service}"
        await accepted_change(work, principal, "job run", text, now, key=key, revision=revision.number)
    platform.changed(key)
    return _run(new, frozenset())


async def run_logs(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    service: str,
    number: int,
    span: Span,
) -> AsyncIterator[Piece]:
    """What a run has written. Raises NotFound where there is no such run, or its container is gone."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = await _revision(work, deployment)
        book = await work.job_book(deployment.key)
    key = deployment.key
    run = next((r for r in book.of(service) if r.number == number), None)
    if run is None:
        if not book.of(service):
            _schedule_of(key, revision, service)
        raise NotFound(f"{key.stack}/{service} has no run {number}: see `spin job history {key.stack}/{service}`.", run=number)
    snapshot = await platform.engine(key.environment).observe(key)
    container = next((i for i in snapshot.instances if (i.service, i.slot, i.digest) == (service, number, run.digest)), None)
    if container is None and run.launched:
        gone = _log_of(_run(run, frozenset()), await _kept(platform, key))
        if gone is not None:
            assert platform.archive is not None  # noqa: S101 - it has said so
            return merged([(gone, platform.archive.read(key, gone.id, span))])
    if container is None:
        raise NotFound(
            f"Run {number} of {key.stack}/{service} has no log: {_why_no_log(run)}.",
            service=service,
            run=number,
            state=run.state.value,
        )
    reader = LogReader(platform.engine(key.environment), platform.archive, key)
    source = next((s for s in await reader.sources() if s.id == container.id), None)
    return merged([] if source is None else [(source, reader.read(source, span))])


async def _with_logs(platform: Platform, key: DeploymentKey, found: tuple[JobView, ...]) -> tuple[JobView, ...]:
    if not any(job.last is not None and _may_be_kept(job.last) for job in found):
        return found
    kept = await _kept(platform, key)
    return tuple(
        job
        if job.last is None
        else replace(job, last=replace(job.last, logs=job.last.logs or _log_of(job.last, kept) is not None))
        for job in found
    )


def _may_be_kept(run: RunView) -> bool:
    return run.started is not None and not run.logs


async def _kept(platform: Platform, key: DeploymentKey) -> tuple[LogSource, ...]:
    """Removed containers whose logs the site still keeps."""
    return () if platform.archive is None else await platform.archive.sources(key)


def _log_of(run: RunView, kept: tuple[LogSource, ...]) -> LogSource | None:
    """A stack that was made anew counts its runs from 1 again, so a container of before the run is another's."""
    since = run.wanted - _SECOND
    return next((s for s in reversed(kept) if (s.service, s.slot) == (run.service, run.number) and s.created >= since), None)


def _why_no_log(run: Run) -> str:
    if run.launched:
        return "its container is gone, and the site does not keep its log any more"
    return (
        "it has not begun yet" if run.active else f"it never began ({run.state.value}{': ' + run.detail if run.detail else ''})"
    )


def _there(status: DeploymentStatus | None) -> frozenset[tuple[str, int]]:
    """(service, run) of the containers that the last pass has seen."""
    return frozenset() if status is None else frozenset((i.service, i.slot) for i in status.instances)


async def _revision(work: UnitOfWork, deployment: Deployment) -> Revision:
    revision = await work.revision(deployment.key, deployment.revision)
    if revision is None:
        raise no_stack(deployment.key)
    return revision


def _schedule_of(key: DeploymentKey, revision: Revision, service: str) -> Schedule:
    """Raises NotFound for an unknown service, Conflict for one that is no job."""
    spec = revision.spec.service(service)
    if spec is None:
        raise no_service(key, service, tuple(s.name for s in revision.spec.services))
    if spec.schedule is None:
        known = ", ".join(s.name for s in revision.spec.services if s.schedule is not None)
        raise Conflict(
            f"{key.stack}/{service} has no schedule, so it is no job: write `x-spin: {{schedule: ...}}` at it, or `spin run` for a "
            f"command beside it. Jobs of the stack: {known or 'none'}.",
            service=service,
        )
    return spec.schedule


def _jobs_of(
    deployment: Deployment, revision: Revision, book: JobBook, there: frozenset[tuple[str, int]], now: datetime
) -> tuple[JobView, ...]:
    scheduled = [(s.name, s.schedule) for s in revision.spec.services if s.schedule is not None]
    return tuple(_job(deployment, name, schedule, book, there, now) for name, schedule in scheduled)


def _job(
    deployment: Deployment, service: str, schedule: Schedule, book: JobBook, there: frozenset[tuple[str, int]], now: datetime
) -> JobView:
    stopped = deployment.wish(service).stopped
    runs = book.of(service)
    ended = [r for r in runs if not r.active]
    return JobView(
        environment=deployment.key.environment,
        stack=deployment.key.stack,
        service=service,
        schedule=schedule.times,
        overlap=schedule.overlap.value,
        timeout_ms=schedule.timeout_ms,
        keep=schedule.keep,
        stopped=stopped,
        next=None if stopped else cron.following(schedule.times, now),
        running=len(runs) - len(ended),
        last=_run(ended[-1], there) if ended else None,
    )


def _run(run: Run, there: frozenset[tuple[str, int]]) -> RunView:
    return RunView(
        service=run.service,
        number=run.number,
        state=run.state.value,
        reason="schedule" if run.scheduled is not None else "manual",
        by=run.by,
        scheduled=run.scheduled,
        wanted=run.wanted,
        started=run.started,
        ended=run.ended,
        exit_code=run.exit_code,
        detail=run.detail,
        revision=run.revision,
        times=run.times,
        logs=run.launched and (run.service, run.number) in there,
    )
