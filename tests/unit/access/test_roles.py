"""Every cell of the table of rights."""

from __future__ import annotations

import pytest

from spin.access import OPERATOR_ACTIONS, ROLE_ACTIONS, SITE_ACTIONS, Action, can, least_role
from spin.model.names import ProjectName
from spin.model.principal import Principal, Role

# Rows: actions; columns: viewer, developer, owner, operator.
TABLE = {
    Action.READ: (True, True, True, True),
    Action.DEPLOY: (False, True, True, True),
    Action.SCALE: (False, True, True, True),
    Action.OPERATE: (False, True, True, True),
    Action.JOBS: (False, True, True, True),
    Action.EXEC: (False, True, True, True),
    Action.FILES: (False, True, True, True),
    Action.FORWARD: (False, True, True, True),
    Action.PROMOTE: (False, True, True, True),
    Action.SECRETS: (False, True, True, True),
    Action.VOLUMES: (False, True, True, True),
    Action.REMOVE: (False, True, True, True),
    Action.REMOVE_VOLUMES: (False, False, True, True),
    Action.MEMBERS: (False, False, True, True),
    Action.ACCOUNTS: (False, False, False, True),
    Action.USERS: (False, False, False, True),
    Action.PROJECTS: (False, False, False, True),
}
PEOPLE = {
    "viewer": Principal("vera", memberships=((ProjectName("lab"), Role.VIEWER),)),
    "developer": Principal("dora", memberships=((ProjectName("lab"), Role.DEVELOPER),)),
    "owner": Principal("otto", memberships=((ProjectName("lab"), Role.OWNER),)),
    "operator": Principal("root", operator=True),
}
STRANGER = Principal("sam", memberships=((ProjectName("other"), Role.OWNER),))


def test_the_table_below_names_every_action() -> None:
    assert set(TABLE) == set(Action)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("action", Action)
def test_each_role_may_do_exactly_what_the_table_says(action: Action, person: str) -> None:
    expected = TABLE[action][list(PEOPLE).index(person)]
    project = None if action in SITE_ACTIONS else "lab"
    assert can(PEOPLE[person], action, project) is expected


@pytest.mark.parametrize("action", Action)
def test_a_role_in_one_project_gives_nothing_in_another(action: Action) -> None:
    assert not can(STRANGER, action, "lab")
    assert not can(STRANGER, action, None)


@pytest.mark.parametrize("action", Action)
def test_an_action_on_a_project_needs_a_project_and_an_action_on_the_site_has_none(action: Action) -> None:
    wrong = "lab" if action in SITE_ACTIONS else None
    assert not can(PEOPLE["operator"], action, wrong)


def test_each_role_may_do_all_that_the_role_before_it_may() -> None:
    assert ROLE_ACTIONS[Role.VIEWER] < ROLE_ACTIONS[Role.DEVELOPER] < ROLE_ACTIONS[Role.OWNER] < OPERATOR_ACTIONS


@pytest.mark.parametrize("action", Action)
def test_the_least_role_is_the_first_one_in_the_table_that_may(action: Action) -> None:
    allowed = [role for role, may in zip(Role, TABLE[action], strict=False) if may]
    assert least_role(action) is (allowed[0] if allowed else None)
