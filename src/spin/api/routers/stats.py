"""What containers use: now, in the last hours, and whether limits fit."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from spin.api.context import PREFIX, EnvironmentPath, Moment, Person, ProjectPath, StackPath, ThePlatform
from spin.model.usage import STEP
from spin.plan.usage import Advice
from spin.usecases.stats import StatsView, UsageView, advise, history, stats

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}", tags=["stats"])

Service = Annotated[str | None, Query(max_length=100, description="Only this service")]
_SECONDS = int(STEP.total_seconds())


@router.get("/stats", summary="What the running containers of all of the project's stacks in an environment use now")
async def get_all_stats(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath
) -> tuple[StatsView, ...]:
    return await stats(platform, person, project, environment)


@router.get("/stacks/{stack}/stats", summary="What the stack's running containers use now")
async def get_stats(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Service = None,
) -> tuple[StatsView, ...]:
    return await stats(platform, person, project, environment, stack, service=service)


@router.get("/stacks/{stack}/stats/history", summary="What the stack's services used, by service and time")
async def get_history(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Service = None,
    since: Annotated[Moment | None, Query(description="From this moment on (RFC 3339); else all that is remembered")] = None,
    step: Annotated[
        int,
        Query(ge=_SECONDS, le=86400, multiple_of=_SECONDS, description=f"Length of a step in seconds, a multiple of {_SECONDS}"),
    ] = _SECONDS,
) -> tuple[UsageView, ...]:
    length = timedelta(seconds=step)
    return await history(platform, person, project, environment, stack, service=service, since=since, step=length)


@router.get("/stacks/{stack}/stats/advice", summary="Whether the limits of the stack's services fit what they used")
async def get_advice(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Service = None,
) -> tuple[Advice, ...]:
    return await advise(platform, person, project, environment, stack, service=service)
