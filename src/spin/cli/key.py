"""`spin key`."""

from __future__ import annotations

from typing import Annotated

import typer

from spin.cli.options import FormatOption, JsonOption
from spin.cli.output import data, for_programs, json_data, message, now, print_table
from spin.cli.session import Session
from spin.cli.times import relative


def ls(*, json: JsonOption = False, template: FormatOption = None) -> None:
    """List your API keys."""
    with Session() as session:
        session.require_sign_in()
        keys = session.client.keys()
    if for_programs(keys, json=json, template=template):
        return
    moment = now()
    rows = [
        [k["id"], k["name"], relative(k["created"], moment), relative(k["expires"], moment), relative(k["last_used"], moment)]
        for k in keys
    ]
    print_table(("ID", "NAME", "CREATED", "EXPIRES", "LAST USED"), rows, empty="You have no API keys.")


def create(
    *,
    name: Annotated[str, typer.Argument(help="What it is for, such as the machine that uses it.")],
    days: Annotated[int | None, typer.Option("--expires-days", min=1, metavar="DAYS", help="It ends after so many days.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Make it for this user (operators).")] = None,
    json: JsonOption = False,
) -> None:
    """Make an API key; it is shown this once.

    The key alone goes to stdout: `spin key create laptop > key`.
    """
    with Session() as session:
        session.require_sign_in()
        made = session.client.create_key(name, expires_days=days, user=user)
    if json:
        json_data(made)
    else:
        data(made["key"])
    message(f"This is key {made['id']} ({made['name']}). It is not shown again; it ends {relative(made['expires'], now())}.")


def rm(*, id: Annotated[str, typer.Argument(help="As in `spin key ls`.")]) -> None:
    """Revoke an API key."""
    with Session() as session:
        session.require_sign_in()
        session.client.remove_key(id)
    message(f"Key {id} is revoked.")
