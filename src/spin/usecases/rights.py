"""The gate that every use case passes: is there such a project for this person, and may they do this in it?"""

from __future__ import annotations

import re

from spin.access import Action, can, least_role
from spin.errors import Conflict, NotAllowed, NotFound
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.principal import Principal, Role
from spin.model.revision import Deployment
from spin.ports.store import UnitOfWork
from spin.usecases.platform import Platform

_PLAIN = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)


def plain(name: str) -> bool:
    """Whether `name` has nothing in it that no name of a stack or project has."""
    return _PLAIN.fullmatch(name) is not None


async def allow(work: UnitOfWork, principal: Principal, action: Action, project: str) -> ProjectName:
    """The project's name, if `principal` may do `action` in it.

    Raises NotFound for a project that is not there or not theirs (the two are answered alike), NotAllowed, naming the role that
    is needed and the owners who can give it, where it is theirs and the role is too small.
    """
    name = ProjectName(project)
    if not await _visible(work, principal, name):
        raise NotFound(f"There is no project {project!r}, or you are not a member of it.", project=project)
    if can(principal, action, name):
        return name
    role = principal.role_in(name)
    needed = least_role(action)
    if needed is None:
        raise NotAllowed(f"You may not {action.value}: only the operators of this site may.", needed="operator", project=name)
    owners = [m.user for m in await work.members(name) if m.role is Role.OWNER]
    raise NotAllowed(
        f"You may not {action.value}: that needs the role {needed.value} in project {name!r}, "
        f"and you are {role.value if role else 'no member'} there. "
        + (f"Its owners can change that: {', '.join(owners)}." if owners else "It has no owner: ask the operators."),
        project=name,
        needed=needed.value,
        role=role.value if role else None,
        owners=owners,
    )


async def _visible(work: UnitOfWork, principal: Principal, project: ProjectName) -> bool:
    if principal.role_in(project) is not None:
        return True
    return principal.operator and _PLAIN.fullmatch(project) is not None and await work.has_project(project)


def allow_site(principal: Principal, action: Action) -> None:
    """Raises NotAllowed unless `principal` may do `action`, which concerns the site."""
    if not can(principal, action, None):
        raise NotAllowed(f"You may not {action.value}: only the operators of this site may.", needed="operator")


def readable(principal: Principal, project: str) -> bool:
    """Whether names of things in `project` may be told to `principal`."""
    return can(principal, Action.READ, project)


async def find(
    platform: Platform,
    work: UnitOfWork,
    principal: Principal,
    action: Action,
    project: str,
    environment: str,
    stack: str,
    *,
    expect_generation: int | None = None,
) -> Deployment:
    """The deployment, if `principal` may do `action` on it.

    Raises NotFound and NotAllowed as `allow` does, and Conflict where it is no longer at `expect_generation`.
    """
    name = await allow(work, principal, action, project)
    found = platform.environment(environment)
    key = DeploymentKey(name, EnvironmentName(found.name), StackName(stack))
    deployment = await work.deployment(key) if _PLAIN.fullmatch(stack) else None
    if deployment is None:
        raise no_stack(key)
    check_generation(key, expect_generation, deployment.generation)
    return deployment


def check_generation(key: DeploymentKey, expected: int | None, found: int) -> None:
    """Raises Conflict where somebody has changed the deployment since it was looked at; `expected` is None where nobody minds."""
    if expected is not None and expected != found:
        raise Conflict(
            f"The stack {key.stack!r} in {key.environment} has changed meanwhile (generation {found}, not {expected}): look at it "
            "and try again.",
            expected=expected,
            generation=found,
        )


def no_stack(key: DeploymentKey) -> NotFound:
    return NotFound(
        f"There is no stack {key.stack!r} in {key.environment} of project {key.project!r}.",
        project=key.project,
        environment=key.environment,
        stack=key.stack,
    )
