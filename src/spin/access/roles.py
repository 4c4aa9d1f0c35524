"""The table of roles and actions.

Within a project each role may do all that the role before it may. Operators serve the whole site: they manage users, projects and
their accounts on the site's filesystems, and may act in every project as its owners may (what they do is recorded under their own
name).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from spin.model.principal import Principal, Role


class Action(Enum):
    """What a person may want to do. The value completes the sentence "you may not …"."""

    READ = "look at this project"
    DEPLOY = "deploy stacks"
    SCALE = "scale services"
    OPERATE = "start, stop or restart services"
    JOBS = "run jobs"
    EXEC = "run commands in containers"
    FILES = "copy files into or out of containers"
    FORWARD = "connect to containers' ports"
    PROMOTE = "copy stacks to another environment"
    SECRETS = "change secrets"
    VOLUMES = "change volumes"
    REMOVE = "remove stacks"
    REMOVE_VOLUMES = "remove stacks together with the data on their volumes"
    MEMBERS = "change the project's members"
    ACCOUNTS = "change the project's collaboration accounts"
    USERS = "manage users"
    PROJECTS = "create projects"


SITE_ACTIONS: frozenset[Action] = frozenset({Action.USERS, Action.PROJECTS})
"""Actions that concern the site, not one project."""

_VIEWER = frozenset({Action.READ})
_DEVELOPER = _VIEWER | {
    Action.DEPLOY,
    Action.SCALE,
    Action.OPERATE,
    Action.JOBS,
    Action.EXEC,
    Action.FILES,
    Action.FORWARD,
    Action.PROMOTE,
    Action.SECRETS,
    Action.VOLUMES,
    Action.REMOVE,
}
_OWNER = _DEVELOPER | {Action.REMOVE_VOLUMES, Action.MEMBERS}

ROLE_ACTIONS: Mapping[Role, frozenset[Action]] = {Role.VIEWER: _VIEWER, Role.DEVELOPER: _DEVELOPER, Role.OWNER: _OWNER}
"""What each role may do within its project."""

OPERATOR_ACTIONS: frozenset[Action] = frozenset(Action)
"""What operators may do, on the site and in every project."""


def can(principal: Principal, action: Action, project: str | None) -> bool:
    """Whether `principal` may do `action` in `project`; `project` is None for the actions that concern the site."""
    if (project is None) is not (action in SITE_ACTIONS):
        return False
    if principal.operator:
        return action in OPERATOR_ACTIONS
    role = None if project is None else principal.role_in(project)
    return role is not None and action in ROLE_ACTIONS[role]


def least_role(action: Action) -> Role | None:
    """The least role in a project that may do `action`; None where only operators may."""
    return next((role for role in Role if action in ROLE_ACTIONS[role]), None)
