"""`spin user`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spin.cli import identity as identities
from spin.cli.identity import GidOption, GidsOption, UidOption
from spin.cli.inputs import read_line, read_password
from spin.cli.options import FormatOption, JsonOption
from spin.cli.output import for_programs, is_terminal, message, now, print_table
from spin.cli.session import Session
from spin.cli.times import relative
from spin.client.shapes import IdentityView
from spin.errors import InvalidInput


def ls(*, json: JsonOption = False, template: FormatOption = None) -> None:
    """List users."""
    with Session() as session:
        session.require_sign_in()
        users = session.client.users()
    if for_programs(users, json=json, template=template):
        return
    moment = now()
    rows = [
        [
            u["name"],
            "operator" if u["operator"] else "",
            relative(u.get("created"), moment),
            identities.short(u.get("identity")),
            identities.groups(u.get("identity")),
        ]
        for u in users
    ]
    print_table(("NAME", "ROLE", "CREATED", "UID:GID", "GROUPS"), rows, empty="There are no users.")


def create(
    *,
    name: str,
    operator: Annotated[bool, typer.Option("--operator", help="May manage users and every project.")] = False,
    password_file: Annotated[
        str | None, typer.Option("--password-file", metavar="FILE", help="One line, `-` for stdin; else asked for on a terminal.")
    ] = None,
) -> None:
    """Make a user.

    Without a password the user signs in with keys only: `spin key create NAME --user USER`.
    """
    password = _password(password_file)
    with Session() as session:
        session.require_sign_in()
        session.client.create_user(name, password=password, operator=operator)
    message(f"User {name} is made{'' if password else ', without a password'}.")


def set_(
    *,
    name: str,
    uid: UidOption = None,
    gid: GidOption = None,
    gids: GidsOption = "",
    none: Annotated[bool, typer.Option("--none", help="Take the identity away.")] = False,
) -> None:
    """Say who a user is on the site's filesystems.

    Their containers may run as this user where they mount one. What runs goes on; its next change is judged by the new numbers.
    """
    if none is (uid is not None or gid is not None or bool(gids)) or (not none and (uid is None or gid is None)):
        raise typer.BadParameter("Give --uid and --gid (and --gids), or --none.")
    identity = None if uid is None or gid is None else identities.read(uid, gid, gids)
    with Session() as session:
        session.require_sign_in()
        user = session.client.set_identity(name, identity)
    found = user["identity"]
    message(f"{name} has no account on the site's filesystems." if found is None else f"{name} is {_told(found)}.")


def _told(identity: IdentityView) -> str:
    further = identities.groups(identity)
    return f"{identities.short(identity)} on the site's filesystems" + (f", with the groups {further}" if further else "")


def _password(file: str | None) -> str | None:
    if file is not None:
        return read_line(file)
    if not is_terminal(sys.stdin):
        return None
    password = read_password("Password (empty for none): ")
    if password and password != read_password("Again: "):
        raise InvalidInput("The two passwords differ.")
    return password or None
