"""Services with a schedule, and their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, select, update

from spin.errors import Conflict
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.run import KEPT, NO_JOBS, Job, JobBook, Run
from spin.store.codec import decode_kept, encode
from spin.store.rows import Rows, named, of
from spin.store.schema import deployments, jobs, runs

_KEY = ("project", "environment", "stack")
# What every pass over a deployment asks for.
_JOBS_WITHIN = select(jobs).order_by(jobs.c.service)
_JOBS = _JOBS_WITHIN.where(named(jobs, *_KEY))
_RUNS_WITHIN = select(runs).order_by(runs.c.service, runs.c.number)
_RUNS = select(runs.c.document).where(named(runs, *_KEY)).order_by(runs.c.service, runs.c.number)
_DEPLOYMENT = select(deployments.c.stack).where(named(deployments, *_KEY))
_ENDED = and_(named(runs, *_KEY, "service"), runs.c.ended.is_not(None))
_FORGET = delete(runs).where(
    _ENDED,
    runs.c.number <= select(runs.c.number).where(_ENDED).order_by(runs.c.number.desc()).offset(KEPT).limit(1).scalar_subquery(),
)


class Jobs(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def job_book(self, key: DeploymentKey) -> JobBook:
        found = await self._all(_JOBS, **_names(key))
        if not found:
            return NO_JOBS
        documents = await self._all(_RUNS, **_names(key))
        return JobBook(
            tuple(Job(row.service, row.times, row.since, row.last, row.version) for row in found),
            tuple(decode_kept(Run, row.document) for row in documents),
        )

    async def job_books(self, project: str | None = None, environment: str | None = None) -> Mapping[DeploymentKey, JobBook]:
        """Only of stacks that have jobs."""
        found: dict[DeploymentKey, tuple[list[Job], list[Run]]] = {}
        for row in await self._all_within(_JOBS_WITHIN, jobs, project, environment):
            book = found.setdefault(_key(row), ([], []))
            book[0].append(Job(row.service, row.times, row.since, row.last, row.version))
        if found:
            for row in await self._all_within(_RUNS_WITHIN, runs, project, environment):
                if (key := _key(row)) in found:
                    found[key][1].append(decode_kept(Run, row.document))
        return {key: JobBook(tuple(its_jobs), tuple(its_runs)) for key, (its_jobs, its_runs) in found.items()}

    async def save_jobs(self, key: DeploymentKey, jobs_: Sequence[Job], runs_: Sequence[Run]) -> None:
        names = _names(key)
        if await self._first(_DEPLOYMENT, **names) is None:
            return
        for job in jobs_:
            await self._save_job(key, job, names)
        for run in runs_:
            await self._put(
                runs, names | {"service": run.service, "number": run.number, "ended": run.ended, "document": encode(run)}
            )
        for job in jobs_:
            await self._change(_FORGET, **names, service=job.service)

    async def forget_runs(self, before: datetime) -> int:
        newest = (
            select(runs.c.project, runs.c.environment, runs.c.stack, runs.c.service, func.max(runs.c.number).label("number"))
            .where(runs.c.ended.is_not(None))
            .group_by(runs.c.project, runs.c.environment, runs.c.stack, runs.c.service)
            .subquery()
        )
        same = and_(*(newest.c[name] == runs.c[name] for name in ("project", "environment", "stack", "service")))
        later = select(newest.c.number).where(same, newest.c.number > runs.c.number).exists()
        gone = await self._change(delete(runs).where(runs.c.ended < before, later).returning(runs.c.number))
        return len(gone)

    async def _save_job(self, key: DeploymentKey, job: Job, names: dict[str, Any]) -> None:
        values = {"times": job.times, "since": job.since, "last": job.last, "version": job.version + 1}
        same = and_(of(jobs, key), jobs.c.service == job.service, jobs.c.version == job.version)
        written = bool(await self._change(update(jobs).where(same).values(values).returning(jobs.c.version)))
        if not written and job.version == 0:
            written = await self._add(jobs, names | {"service": job.service} | values)
        if not written:
            raise Conflict(
                f"The job {key.stack}/{job.service} in {key.environment} has gone on meanwhile. Look at it again, then repeat "
                "the command.",
                service=job.service,
            )


def _names(key: DeploymentKey) -> dict[str, Any]:
    return {"project": key.project, "environment": key.environment, "stack": key.stack}


def _key(row: Row[Any]) -> DeploymentKey:
    return DeploymentKey(ProjectName(row.project), EnvironmentName(row.environment), StackName(row.stack))
