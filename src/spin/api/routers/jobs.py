"""Jobs: services with a schedule, and their runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from spin.api.context import PREFIX, EnvironmentPath, Moment, NamePath, Person, ProjectPath, StackPath, ThePlatform
from spin.api.routers.logs import LINES, Json, LogStream, stream
from spin.model.log import Span, stamp
from spin.usecases.jobs import JobView, RunView, list_jobs, list_runs, run_job, run_logs

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}", tags=["jobs"])

NumberPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the run")]


@router.get("/jobs", summary="The jobs of all the project's stacks in an environment")
async def get_all_jobs(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath
) -> tuple[JobView, ...]:
    return await list_jobs(platform, person, project, environment)


@router.get("/stacks/{stack}/jobs", summary="The jobs of a stack: their schedules, what is due next, how the last run ended")
async def get_jobs(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, stack: StackPath
) -> tuple[JobView, ...]:
    return await list_jobs(platform, person, project, environment, stack)


@router.get("/stacks/{stack}/jobs/{service}/runs", summary="The runs of a job that are remembered, the newest first")
async def get_runs(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, stack: StackPath, service: NamePath
) -> tuple[RunView, ...]:
    return await list_runs(platform, person, project, environment, stack, service)


@router.post("/stacks/{stack}/jobs/{service}/runs", summary="Run a job now, beside its schedule")
async def post_run(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, stack: StackPath, service: NamePath
) -> RunView:
    return await run_job(platform, person, project, environment, stack, service)


@router.get(
    "/stacks/{stack}/jobs/{service}/runs/{number}/logs",
    summary="What a run has written, one JSON object a line: instance, id, time, stream, text, bytes",
    response_class=LogStream,
    responses=LINES,
)
async def get_run_logs(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: NamePath,
    number: NumberPath,
    tail: Annotated[int | None, Query(ge=0, le=10_000_000, description="Last lines")] = None,
    since: Annotated[Moment | None, Query(description="Only lines from this moment on (RFC 3339)")] = None,
) -> LogStream:
    span = Span(None if since is None else stamp(since), tail=tail)
    pieces = await run_logs(platform, person, project, environment, stack, service, number, span)
    first = await anext(pieces, None)
    return LogStream(stream(first, pieces, Json()))
