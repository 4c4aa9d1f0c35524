"""Services with a schedule, and their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, select, update

from spin.errors import Conflict
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.run import KEPT, NO_JOBS, Job, JobBook, Run
from spin.store.codec import decode, encode
from spin.store.rows import Rows, of, within
from spin.store.schema import deployments, jobs, runs


class Jobs(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def job_book(self, key: DeploymentKey) -> JobBook:
        found = await self._all(select(jobs).where(of(jobs, key)).order_by(jobs.c.service))
        if not found:
            return NO_JOBS
        documents = await self._all(select(runs.c.document).where(of(runs, key)).order_by(runs.c.service, runs.c.number))
        return JobBook(
            tuple(Job(row.service, row.times, row.since, row.last, row.version) for row in found),
            tuple(decode(Run, row.document) for row in documents),
        )

    async def job_books(self, project: str | None = None, environment: str | None = None) -> Mapping[DeploymentKey, JobBook]:
        """Only of stacks that have jobs."""
        found: dict[DeploymentKey, tuple[list[Job], list[Run]]] = {}
        for row in await self._all(select(jobs).where(within(jobs, project, environment)).order_by(jobs.c.service)):
            book = found.setdefault(_key(row), ([], []))
            book[0].append(Job(row.service, row.times, row.since, row.last, row.version))
        if found:
            kept = select(runs).where(within(runs, project, environment)).order_by(runs.c.service, runs.c.number)
            for row in await self._all(kept):
                if (key := _key(row)) in found:
                    found[key][1].append(decode(Run, row.document))
        return {key: JobBook(tuple(its_jobs), tuple(its_runs)) for key, (its_jobs, its_runs) in found.items()}

    async def save_jobs(self, key: DeploymentKey, jobs_: Sequence[Job], runs_: Sequence[Run]) -> None:
        if await self._first(select(deployments.c.stack).where(of(deployments, key))) is None:
            return
        names = {"project": key.project, "environment": key.environment, "stack": key.stack}
        for job in jobs_:
            await self._save_job(key, job, names)
        for run in runs_:
            await self._put(
                runs, names | {"service": run.service, "number": run.number, "ended": run.ended, "document": encode(run)}
            )
        for job in jobs_:
            old = and_(of(runs, key), runs.c.service == job.service, runs.c.ended.is_not(None))
            newest = select(runs.c.number).where(old).order_by(runs.c.number.desc()).offset(KEPT).limit(1).scalar_subquery()
            await self._change(delete(runs).where(old, runs.c.number <= newest))

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


def _key(row: Row[Any]) -> DeploymentKey:
    return DeploymentKey(ProjectName(row.project), EnvironmentName(row.environment), StackName(row.stack))
