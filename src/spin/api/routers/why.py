"""What is wrong with a stack."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from spin.api.context import PREFIX, EnvironmentPath, Moment, Person, ProjectPath, StackPath, ThePlatform
from spin.model.why import Explanation
from spin.usecases.why import why

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/stacks/{stack}/why", tags=["stacks"])

MOST = 2000


@router.get("", summary="What is wrong, since when, and what changed just before; also of a stack that is gone")
async def get_why(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Annotated[str | None, Query(max_length=100, description="Only this service")] = None,
    since: Annotated[Moment | None, Query(description="The time-line from this moment on (RFC 3339)")] = None,
    last: Annotated[int, Query(ge=1, le=MOST, description="So many entries of the time-line at most, the newest")] = 200,
) -> Explanation:
    return await why(platform, person, project, environment, stack, service=service, since=since, last=last)
