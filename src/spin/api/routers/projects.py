"""Projects, their members and collaboration accounts."""

from __future__ import annotations

from fastapi import APIRouter

from spin.api.context import PREFIX, NamePath, Person, ProjectPath, ThePlatform
from spin.api.schemas import IdentityIn, MemberIn, ProjectIn
from spin.ports.store import Account, Member
from spin.usecases.identities import list_accounts, remove_account, set_account
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


@router.get("/{project}/accounts", summary="The project's collaboration accounts on the site's filesystems")
async def get_accounts(platform: ThePlatform, person: Person, project: ProjectPath) -> tuple[Account, ...]:
    return await list_accounts(platform, person, project)


@router.put("/{project}/accounts/{account}", summary="Make a collaboration account, or change its numbers (operators)")
async def put_account(
    platform: ThePlatform, person: Person, project: ProjectPath, account: NamePath, body: IdentityIn
) -> Account:
    return await set_account(platform, person, project, account, body.value())


@router.delete("/{project}/accounts/{account}", status_code=204, summary="Remove a collaboration account (operators)")
async def delete_account(platform: ThePlatform, person: Person, project: ProjectPath, account: NamePath) -> None:
    await remove_account(platform, person, project, account)
