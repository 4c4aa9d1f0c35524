"""Projects and their members."""

from __future__ import annotations

from fastapi import APIRouter

from spin.api.context import PREFIX, NamePath, Person, ProjectPath, ThePlatform
from spin.api.schemas import MemberIn, ProjectIn
from spin.ports.store import Member
from spin.usecases.projects import Membership, create_project, list_members, list_projects, remove_member, set_member

router = APIRouter(prefix=PREFIX + "/projects", tags=["projects"])


@router.get("", summary="One's own projects; for operators all")
async def get_projects(platform: ThePlatform, person: Person) -> tuple[Membership, ...]:
    return await list_projects(platform, person)


@router.post("", status_code=201, summary="Make a project (operators)")
async def post_project(platform: ThePlatform, person: Person, body: ProjectIn) -> Membership:
    return await create_project(platform, person, body.name)


@router.get("/{project}/members", summary="The members of a project")
async def get_members(platform: ThePlatform, person: Person, project: ProjectPath) -> tuple[Member, ...]:
    return await list_members(platform, person, project)


@router.put("/{project}/members/{user}", summary="Make somebody a member, or change their role (owners)")
async def put_member(platform: ThePlatform, person: Person, project: ProjectPath, user: NamePath, body: MemberIn) -> Member:
    return await set_member(platform, person, project, user, body.role)


@router.delete("/{project}/members/{user}", status_code=204, summary="Remove a member (owners)")
async def delete_member(platform: ThePlatform, person: Person, project: ProjectPath, user: NamePath) -> None:
    await remove_member(platform, person, project, user)
