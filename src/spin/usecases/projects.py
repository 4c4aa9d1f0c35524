"""Projects and their members."""

from __future__ import annotations

from dataclasses import dataclass

from spin.access import Action
from spin.errors import Conflict, NotFound
from spin.model.names import ProjectName, check_name
from spin.model.principal import Principal, Role
from spin.ports.store import Member, UnitOfWork
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, allow_site


@dataclass(frozen=True, slots=True)
class Membership:
    """A project and one's own role in it; None for operators who are no members."""

    name: str
    role: Role | None


async def list_projects(platform: Platform, principal: Principal) -> tuple[Membership, ...]:
    """One's own projects; for operators all of the site."""
    names: set[str] = {name for name, _ in principal.memberships}
    if principal.operator:
        async with platform.store.begin() as work:
            names.update(await work.projects())
    return tuple(Membership(name, principal.role_in(name)) for name in sorted(names))


@audited("project create")
async def create_project(platform: Platform, principal: Principal, name: str) -> Membership:
    """Make a project; whoever makes it is its first owner, so that there always is one. Raises InvalidInput and Conflict."""
    allow_site(principal, Action.PROJECTS)
    check_name("project", name)
    async with platform.store.begin(write=True) as work:
        now = platform.clock.now()
        await work.add_project(name, now)
        await work.set_member(name, principal.user, Role.OWNER)
        await accepted_change(work, principal, "project create", f"the project {name} is made", now, project=name)
    return Membership(name, Role.OWNER)


async def list_members(platform: Platform, principal: Principal, project: str) -> tuple[Member, ...]:
    async with platform.store.begin() as work:
        return await work.members(await allow(work, principal, Action.READ, project))


@audited("project member set")
async def set_member(platform: Platform, principal: Principal, project: str, user: str, role: Role) -> Member:
    """Give `user` that role, whether they were a member or not. Raises NotFound for an unknown user, Conflict for the last owner."""
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.MEMBERS, project)
        if not user.isprintable() or await work.user(user) is None:
            raise NotFound(f"There is no user {user!r}.", user=user)
        if role is not Role.OWNER:
            await _keep_an_owner(work, name, user)
        await work.set_member(name, user, role)
        text = f"{user} is {role.value}"
        await accepted_change(work, principal, "project member set", text, platform.clock.now(), project=name)
    return Member(user, role)


@audited("project member rm")
async def remove_member(platform: Platform, principal: Principal, project: str, user: str) -> None:
    """Raises NotFound when they are no member, Conflict when they are the last owner."""
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.MEMBERS, project)
        if all(m.user != user for m in await work.members(name)):
            raise NotFound(f"{user!r} is no member of project {name!r}.", user=user, project=name)
        await _keep_an_owner(work, name, user)
        await work.set_member(name, user, None)
        text = f"{user} is no longer a member"
        await accepted_change(work, principal, "project member rm", text, platform.clock.now(), project=name)


async def _keep_an_owner(work: UnitOfWork, project: ProjectName, user: str) -> None:
    owners = [m.user for m in await work.members(project) if m.role is Role.OWNER]
    if owners == [user]:
        raise Conflict(f"{user!r} is the last owner of project {project!r}: make somebody else an owner first.", user=user)
