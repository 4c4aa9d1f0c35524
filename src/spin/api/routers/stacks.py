"""Stacks: show, plan, deploy, change, remove."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from spin.api.context import PREFIX, EnvironmentPath, Person, ProjectPath, StackPath, ThePlatform
from spin.api.schemas import CheckIn, ConfirmIn, DeployIn, PlanIn, PromoteIn, RollbackIn, ScaleIn, ServicesIn
from spin.usecases.check import Checked, check
from spin.usecases.confirm import confirm
from spin.usecases.deploy import deploy, plan_deploy
from spin.usecases.export import Export, export
from spin.usecases.operate import restart, start, stop
from spin.usecases.promote import plan_promote, promote
from spin.usecases.remove import remove
from spin.usecases.revisions import MOST, Difference, RevisionView, diff, list_revisions
from spin.usecases.rollback import rollback
from spin.usecases.scale import plan_scale, scale
from spin.usecases.stacks import LONGEST_WAIT, list_stacks, show_stack, watch_stack
from spin.usecases.views import Accepted, Preview, StackView

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/stacks", tags=["stacks"])


@router.get("", summary="The project's stacks in an environment")
async def get_stacks(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath
) -> tuple[StackView, ...]:
    return await list_stacks(platform, person, project, environment)


@router.get("/{stack}", summary="A stack; with `seen` and `wait` as soon as it is another than the one seen")
async def get_stack(
    request: Request,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    seen: Annotated[str | None, Query(max_length=64, description="Token of the view that the client has")] = None,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for another view")] = 0,
) -> StackView:
    if seen is None or not wait:
        return await show_stack(platform, person, project, environment, stack)
    return await watch_stack(platform, person, project, environment, stack, seen=seen, wait=wait, gone=request.is_disconnected)


@router.put("/{stack}", summary="Make a Compose document the desired state of a stack")
async def put_stack(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: DeployIn,
) -> Accepted:
    return await deploy(
        platform,
        person,
        project,
        environment,
        stack,
        body.submission.value(),
        expect_generation=body.expect_generation,
        note=body.note,
        force=body.force,
        on_failure=body.on_failure,
    )


@router.post("/{stack}/plan", summary="What deploying a document would change")
async def post_plan(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: PlanIn,
) -> Preview:
    return await plan_deploy(platform, person, project, environment, stack, body.submission.value(), force=body.force)


@router.post("/{stack}/check", summary="What the site's rules say of a document")
async def post_check(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: CheckIn,
) -> Checked:
    return await check(platform, person, project, environment, stack, body.submission.value())


@router.post("/{stack}/scale", summary="Change the number of containers of services")
async def post_scale(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: ScaleIn,
) -> Preview | Accepted:
    if body.dry_run:
        return await plan_scale(platform, person, project, environment, stack, body.replicas)
    return await scale(platform, person, project, environment, stack, body.replicas, expect_generation=body.expect_generation)


@router.post("/{stack}/start", summary="Start services that were stopped or have ended")
async def post_start(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: ServicesIn,
) -> Accepted:
    return await start(platform, person, project, environment, stack, body.services, expect_generation=body.expect_generation)


@router.post("/{stack}/stop", summary="Stop services and keep everything else")
async def post_stop(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: ServicesIn,
) -> Accepted:
    return await stop(platform, person, project, environment, stack, body.services, expect_generation=body.expect_generation)


@router.post("/{stack}/restart", summary="Replace the containers of services by new ones of the same revision")
async def post_restart(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: ServicesIn,
) -> Accepted:
    return await restart(platform, person, project, environment, stack, body.services, expect_generation=body.expect_generation)


@router.post("/{stack}/promote", summary="Make the same stack run in another environment")
async def post_promote(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: PromoteIn,
) -> Preview | Accepted:
    if body.dry_run:
        return await plan_promote(platform, person, project, environment, stack, body.to, body.secrets)
    return await promote(
        platform, person, project, environment, stack, body.to, body.secrets, expect_generation=body.expect_generation
    )


@router.post("/{stack}/confirm", summary="Confirm an upgrade: what was kept of the revision before goes")
async def post_confirm(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: ConfirmIn,
) -> Accepted:
    return await confirm(platform, person, project, environment, stack, expect_generation=body.expect_generation)


@router.post("/{stack}/rollback", summary="Go back to the confirmed revision, or with `to` to an earlier one")
async def post_rollback(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    body: RollbackIn,
) -> Accepted:
    return await rollback(
        platform,
        person,
        project,
        environment,
        stack,
        to=body.to,
        note=body.note,
        expect_generation=body.expect_generation,
    )


@router.get("/{stack}/revisions", summary="The revisions, the newest first, and what each changed")
async def get_revisions(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    last: Annotated[int, Query(ge=1, le=MOST, description="So many of them")] = MOST,
) -> tuple[RevisionView, ...]:
    return await list_revisions(platform, person, project, environment, stack, last=last)


@router.get("/{stack}/diff", summary="What the desired revision, or `new`, changes in the confirmed or previous one, or `old`")
async def get_diff(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    old: Annotated[int | None, Query(ge=1, lt=2**31, description="Number of the earlier revision")] = None,
    new: Annotated[int | None, Query(ge=1, lt=2**31, description="Number of the later revision; with `old` only")] = None,
) -> Difference:
    return await diff(platform, person, project, environment, stack, old=old, new=new)


@router.get("/{stack}/export", summary="The desired state as a Compose file")
async def get_export(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, stack: StackPath
) -> Export:
    return await export(platform, person, project, environment, stack)


@router.delete("/{stack}", status_code=202, summary="Remove a stack; its volumes only with `volumes=true` (owners)")
async def delete_stack(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    volumes: Annotated[bool, Query(description="Delete the volumes and their data too")] = False,  # noqa: FBT002 - a query parameter
    expect_generation: Annotated[
        int | None, Query(ge=0, lt=2**31, description="Refuse if the deployment is at another generation meanwhile")
    ] = None,
) -> Accepted:
    return await remove(platform, person, project, environment, stack, volumes=volumes, expect_generation=expect_generation)
