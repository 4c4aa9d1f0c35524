"""`spin project`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spin.cli import identity as identities
from spin.cli.identity import GidOption, GidsOption, UidOption
from spin.cli.options import FormatOption, JsonOption, ProjectOption
from spin.cli.output import for_programs, message, print_table
from spin.cli.session import Session


class Role(StrEnum):
    """As `spin.model.principal.Role`, in a form that the command line can offer."""

    viewer = "viewer"
    developer = "developer"
    owner = "owner"


def ls(*, json: JsonOption = False, template: FormatOption = None) -> None:
    """List projects."""
    with Session() as session:
        session.require_sign_in()
        projects = session.client.projects()
    if for_programs(projects, json=json, template=template):
        return
    rows = [[p["name"], p["role"] or ""] for p in projects]
    print_table(("NAME", "YOUR ROLE"), rows, empty="You are in no project. `spin project create NAME` makes one.")


def create(*, name: str) -> None:
    """Make a project."""
    with Session() as session:
        session.require_sign_in()
        session.client.create_project(name)
    message(f"Project {name} is made.")


def member_ls(*, project: ProjectOption = None, json: JsonOption = False, template: FormatOption = None) -> None:
    """List the members of the project."""
    with Session(project=project) as session:
        members = session.client.members(session.project)
        name = session.project
    if for_programs(members, json=json, template=template):
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


def account_ls(*, project: ProjectOption = None, json: JsonOption = False, template: FormatOption = None) -> None:
    """List the project's collaboration accounts.

    Containers that mount one of the site's filesystems may run as one of them, or as yourself.
    """
    with Session(project=project) as session:
        accounts = session.client.accounts(session.project)
        name = session.project
    if for_programs(accounts, json=json, template=template):
        return
    rows = [[a["name"], identities.short(a["identity"]), identities.groups(a["identity"])] for a in accounts]
    print_table(("NAME", "UID:GID", "GROUPS"), rows, empty=f"Project {name} has no collaboration accounts.")


def account_set(
    *, name: str, uid: UidOption = None, gid: GidOption = None, gids: GidsOption = "", project: ProjectOption = None
) -> None:
    """Make a collaboration account, or change its numbers (for operators)."""
    if uid is None or gid is None:
        raise typer.BadParameter("Give --uid and --gid.")
    with Session(project=project) as session:
        session.client.set_account(session.project, name, identities.read(uid, gid, gids))
        message(f"Account {name} of project {session.project} is {uid}:{gid}.")


def account_rm(*, name: str, project: ProjectOption = None) -> None:
    """Remove a collaboration account (for operators).

    What runs under it goes on; its next change is refused.
    """
    with Session(project=project) as session:
        session.client.remove_account(session.project, name)
        message(f"Account {name} is no longer of project {session.project}.")
