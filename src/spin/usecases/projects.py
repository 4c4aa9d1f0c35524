"""Projects and their members."""

from __future__ import annotations

from dataclasses import dataclass

from spin.access import Action
from spin.errors import Conflict, NotFound
from spin.model.names import ProjectName, check_name
from spin.model.principal import Principal, Role
from spin.ports.store import Member, UnitOfWork
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


async def create_project(platform: Platform, principal: Principal, name: str) -> Membership:
    """Make a project; whoever makes it is its first owner, so that there always is one. Raises InvalidInput and Conflict."""
    allow_site(principal, Action.PROJECTS)
    check_name("project", name)
    async with platform.store.begin(write=True) as work:
        await work.add_project(name, platform.clock.now())
        await work.set_member(name, principal.user, Role.OWNER)
    return Membership(name, Role.OWNER)


async def list_members(platform: Platform, principal: Principal, project: str) -> tuple[Member, ...]:
    async with platform.store.begin() as work:
        return await work.members(await allow(work, principal, Action.READ, project))


async def set_member(platform: Platform, principal: Principal, project: str, user: str, role: Role) -> Member:
    """Give `user` that role, whether they were a member or not. Raises NotFound for an unknown user, Conflict for the last owner."""
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.MEMBERS, project)
        if not user.isprintable() or await work.user(user) is None:
            raise NotFound(f"There is no user {user!r}.", user=user)
        if role is not Role.OWNER:
            await _keep_an_owner(work, name, user)
        await work.set_member(name, user, role)
    return Member(user, role)


async def remove_member(platform: Platform, principal: Principal, project: str, user: str) -> None:
    """Raises NotFound when they are no member, Conflict when they are the last owner."""
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.MEMBERS, project)
        if all(m.user != user for m in await work.members(name)):
            raise NotFound(f"{user!r} is no member of project {name!r}.", user=user, project=name)
        await _keep_an_owner(work, name, user)
        await work.set_member(name, user, None)


async def _keep_an_owner(work: UnitOfWork, project: ProjectName, user: str) -> None:
    owners = [m.user for m in await work.members(project) if m.role is Role.OWNER]
    if owners == [user]:
        raise Conflict(f"{user!r} is the last owner of project {project!r}: make somebody else an owner first.", user=user)
