"""`spin project`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spin.cli.options import JsonOption, ProjectOption
from spin.cli.output import json_data, message, print_table
from spin.cli.session import Session


class Role(StrEnum):
    """As `spin.model.principal.Role`, in a form that the command line can offer."""

    viewer = "viewer"
    developer = "developer"
    owner = "owner"


def ls(*, json: JsonOption = False) -> None:
    """List projects."""
    with Session() as session:
        session.require_sign_in()
        projects = session.client.projects()
        roles = {m["name"]: m["role"] for m in session.client.whoami()["projects"]}
    if json:
        json_data(projects)
        return
    rows = [[p["name"], roles.get(p["name"], "")] for p in projects]
    print_table(("NAME", "YOUR ROLE"), rows, empty="You are in no project. `spin project create NAME` makes one.")


def create(*, name: str) -> None:
    """Make a project."""
    with Session() as session:
        session.require_sign_in()
        session.client.create_project(name)
    message(f"Project {name} is made.")


def member_ls(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """List the members of the project."""
    with Session(project=project) as session:
        members = session.client.members(session.project)
        name = session.project
    if json:
        json_data(members)
        return
    print_table(("USER", "ROLE"), [[m["user"], m["role"]] for m in members], empty=f"Project {name} has no members.")


def member_set(
    *,
    user: str,
    role: Annotated[Role, typer.Argument(help="What the member may do, from least to most.")],
    project: ProjectOption = None,
) -> None:
    """Add a member, or change a member's role."""
    with Session(project=project) as session:
        session.client.set_member(session.project, user, role.value)
        message(f"{user} is {role.value} in project {session.project}.")


def member_rm(*, user: str, project: ProjectOption = None) -> None:
    """Remove a member from the project."""
    with Session(project=project) as session:
        session.client.remove_member(session.project, user)
        message(f"{user} is no longer in project {session.project}.")
