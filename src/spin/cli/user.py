"""`spin user`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spin.cli.inputs import read_line, read_password
from spin.cli.options import JsonOption
from spin.cli.output import is_terminal, json_data, message, now, print_table
from spin.cli.session import Session
from spin.cli.times import relative
from spin.errors import InvalidInput


def ls(*, json: JsonOption = False) -> None:
    """List users."""
    with Session() as session:
        session.require_sign_in()
        users = session.client.users()
    if json:
        json_data(users)
        return
    moment = now()
    rows = [[u["name"], "operator" if u["operator"] else "", relative(u.get("created"), moment)] for u in users]
    print_table(("NAME", "ROLE", "CREATED"), rows, empty="There are no users.")


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


def _password(file: str | None) -> str | None:
    if file is not None:
        return read_line(file)
    if not is_terminal(sys.stdin):
        return None
    password = read_password("Password (empty for none): ")
    if password and password != read_password("Again: "):
        raise InvalidInput("The two passwords differ.")
    return password or None
