"""Events of a project, and the audit of a project or of the site."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from spin.api.context import PREFIX, Moment, Person, ProjectPath, ThePlatform
from spin.model.event import Event, EventQuery, Kind
from spin.usecases.events import MOST_EVENTS, list_audit, list_events
from spin.usecases.stacks import LONGEST_WAIT

router = APIRouter(prefix=PREFIX, tags=["events"])

Name = Annotated[str | None, Query(max_length=128)]
Kinds = Annotated[list[Kind] | None, Query(alias="kind", max_length=len(Kind), description="Only these kinds")]
Since = Annotated[Moment | None, Query(description="Only from this moment on (RFC 3339)")]
Until = Annotated[Moment | None, Query(description="Only before this moment (RFC 3339)")]
Last = Annotated[int, Query(ge=1, le=MOST_EVENTS, description="So many at most")]


@router.get("/projects/{project}/events", summary="What happened, the oldest first; with `after` and `wait` what happens next")
async def get_events(
    request: Request,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: Name = None,
    stack: Name = None,
    service: Name = None,
    kind: Kinds = None,
    after: Annotated[
        int | None, Query(ge=0, lt=2**63, description="Only those with a greater number, the earliest first")
    ] = None,
    since: Since = None,
    until: Until = None,
    last: Last = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for an event after `after`")] = 0,
) -> tuple[Event, ...]:
    query = EventQuery(project, environment, stack, service, None, frozenset(kind) if kind else None, after, since, until, last)
    return await list_events(platform, person, query, wait=wait, gone=request.is_disconnected)


@router.get("/projects/{project}/audit", summary="What people asked for in a project, accepted or refused, the oldest first")
async def get_audit(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: Name = None,
    stack: Name = None,
    user: Name = None,
    kind: Kinds = None,
    since: Since = None,
    until: Until = None,
    last: Last = 100,
) -> tuple[Event, ...]:
    kinds = frozenset(kind) if kind else None
    query = EventQuery(project, environment, stack, None, user, kinds, None, since, until, last)
    return await list_audit(platform, person, query)


@router.get("/audit", summary="What people asked for on the whole site, accepted or refused, the oldest first (operators)")
async def get_site_audit(
    platform: ThePlatform,
    person: Person,
    user: Name = None,
    kind: Kinds = None,
    since: Since = None,
    until: Until = None,
    last: Last = 100,
) -> tuple[Event, ...]:
    kinds = frozenset(kind) if kind else None
    return await list_audit(platform, person, EventQuery(actor=user, kinds=kinds, since=since, until=until, last=last))
