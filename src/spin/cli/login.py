"""`spin login`, `logout` and `whoami`."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer

from spin.cli import credentials
from spin.cli import identity as identities
from spin.cli.inputs import read_line, read_password
from spin.cli.options import JsonOption, ProjectOption
from spin.cli.output import is_terminal, json_data, message, print_table
from spin.cli.session import Session
from spin.client import DEFAULT_URL, Client, normalise_url
from spin.errors import InvalidInput, NotFound, SpinError


def login(
    *,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="The platform; default: SPIN_URL, else the last one.")] = None,
    user: Annotated[
        str | None, typer.Option("-u", "--user", metavar="NAME", help="Sign in with a password, which is asked for.")
    ] = None,
    key_file: Annotated[
        str | None, typer.Option("--key-file", metavar="FILE", help="Sign in with an API key, `-` for stdin.")
    ] = None,
    project: Annotated[str, typer.Option("-p", "--project", metavar="NAME", help="The project to work in from now on.")] = "",
) -> None:
    """Sign in to a platform and keep an API key for it.

    With a password, an API key named after this machine is made, and the key is kept, not the password. The key lies in
    ~/.config/spin/credentials.toml, which only you can read. Where nobody can be asked, the password is read from stdin.
    """
    if user and key_file:
        raise typer.BadParameter("--user and --key-file exclude each other.")
    stored = credentials.load()
    address = normalise_url(url or os.environ.get("SPIN_URL") or stored.current or DEFAULT_URL)
    with Client(address) as open_client:
        registry = open_client.site()["registry"]
    if key_file:
        key, created = read_line(key_file), False
    else:
        key, created = _make_key(address, user), True
    with Client(address, key) as client:
        me = client.whoami()
    names = [p["name"] for p in me["projects"]]
    if project and project not in names and not me["operator"]:
        raise InvalidInput(f"You are not in project {project!r}. You are in: {', '.join(sorted(names)) or 'none'}.")
    chosen = project or (names[0] if len(names) == 1 else "")
    login = credentials.Login(key=key, user=me["user"], project=chosen, registry=registry, created=created)
    credentials.save(stored.with_login(address, login))
    message(f"Signed in to {address} as {me['user']}{f', project {chosen}' if chosen else ''}.")
    if os.environ.get("SPIN_TOKEN"):
        message("SPIN_TOKEN is set and wins over this key.")


def _make_key(address: str, user: str | None) -> str:
    if user is None:
        if not is_terminal(sys.stdin):
            raise typer.BadParameter("Say how: --key-file FILE, or --user NAME with the password on stdin.")
        user = typer.prompt("User", err=True)
    password = read_password(f"Password of {user} at {address}: ")
    with Client(address, basic=(str(user), password)) as client:
        return client.create_key(socket.gethostname() or "spin login")["key"]


def logout() -> None:
    """Forget the key that `spin login` has kept.

    A key that `spin login` made is revoked; one that you gave it stays valid.
    """
    stored = credentials.load()
    address = normalise_url(os.environ.get("SPIN_URL") or stored.current or DEFAULT_URL)
    known = stored.sites.get(address)
    if known is None:
        message(f"You are not signed in to {address}.")
        return
    if known.created:
        _revoke(address, known.key)
    credentials.save(stored.without(address))
    message(f"Signed out of {address}.")


def _revoke(address: str, key: str) -> None:
    try:
        with Client(address, key) as client:
            identifier = client.whoami()["key"]
            if identifier:
                client.remove_key(identifier)
    except NotFound:
        pass  # revoked already
    except SpinError as error:
        message(f"The key {credentials.masked(key)} could not be revoked: {error.message} Do so with `spin key rm`.")


def whoami(*, project: ProjectOption = None, json: JsonOption = False) -> None:
    """Show who you are, where, and in which projects.

    A star marks the project that commands are about.
    """
    with Session(project=project) as session:
        session.require_sign_in()
        me = session.client.whoami()
        address, current = session.url, session.stored_project
        token = session.token
    if json:
        json_data({"url": address, **me})
        return
    projects = ", ".join(f"{p['name']} ({p['role']}){'*' if p['name'] == current else ''}" for p in me["projects"])
    rows = [
        [
            address,
            me["user"] + (" (operator)" if me["operator"] else ""),
            projects or "none",
            credentials.masked(token),
            identities.short(me.get("identity")) or "none",
        ],
    ]
    print_table(("PLATFORM", "USER", "PROJECTS", "KEY", "UID:GID"), rows, empty="")
