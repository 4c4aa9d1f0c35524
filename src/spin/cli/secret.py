"""`spin secret`."""

from __future__ import annotations

from typing import Annotated

import typer

from spin.cli.inputs import read_bytes
from spin.cli.lifecycle import GUARDED
from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption, YesOption
from spin.cli.output import confirm, for_programs, message, now, print_table
from spin.cli.session import Session
from spin.cli.times import relative
from spin.errors import InvalidInput


def ls(
    *,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List secrets, without their values."""
    with Session(environment=environment, project=project) as session:
        secrets = session.client.secrets(session.project, session.environment)
        where = f"{session.environment} (project {session.project})"
    if for_programs(secrets, json=json, template=template):
        return
    moment = now()
    rows = [[s["name"], str(s["version"]), s["author"], relative(s["created"], moment)] for s in secrets]
    print_table(("NAME", "VERSION", "AUTHOR", "CREATED"), rows, empty=f"No secrets in {where}.")


def create(
    *,
    name: Annotated[str, typer.Argument(help="STACK.NAME, or STACK.SERVICE.NAME.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the value is; `-` for stdin. Taken byte by byte.")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
) -> None:
    """Store a secret, or a new version of it.

    The value is encrypted in the store and never shown again. Stacks take a new version at their next `up`.
    """
    value = read_bytes(file)
    if not value:
        raise InvalidInput(f"{'stdin' if file == '-' else file} is empty; a secret needs a value.")
    with Session(environment=environment, project=project) as session:
        stored = session.client.put_secret(session.project, session.environment, name, value)
        message(f"Secret {stored['name']} is stored in {session.environment} as version {stored['version']}.")


def rm(
    *,
    name: str,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    yes: YesOption = False,
) -> None:
    """Remove a secret with all its versions."""
    with Session(environment=environment, project=project) as session:
        if session.environment == GUARDED and not yes:
            confirm(
                f"Remove secret {name} from {session.environment} for ever?",
                otherwise=f"Removing secret {name} from {session.environment} needs --yes where nobody can be asked.",
            )
        session.client.remove_secret(session.project, session.environment, name)
        message(f"Secret {name} is removed from {session.environment}.")
