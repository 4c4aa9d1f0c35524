"""`spin exec` and `spin run`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, TypeAlias

import typer

from spin.cli import terminal
from spin.cli.options import ProjectOption
from spin.cli.output import message
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.client.streams import Ready, Stream
from spin.errors import InvalidInput
from spin.model.streams import STDERR, STDOUT

InteractiveOption: TypeAlias = Annotated[bool, typer.Option("-i", "--interactive", help="Pass on standard input.")]
TerminalOption: TypeAlias = Annotated[bool, typer.Option("-t", "--tty", help="Give it a terminal.")]
UserOption: TypeAlias = Annotated[
    str | None, typer.Option("-u", "--user", metavar="USER", help="Name or number, or USER:GROUP; default: the container's.")
]
FolderOption: TypeAlias = Annotated[
    str | None, typer.Option("-w", "--workdir", metavar="DIRECTORY", help="Where to run it; default: the container's.")
]
VariableOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "-e", metavar="NAME=VALUE", help="A variable for the command; repeat. Without `=`: the environment, as elsewhere."
    ),
]
PlaceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--environment", "--env", metavar="NAME", envvar="SPIN_ENVIRONMENT", help="Environment; default: the site's first."
    ),
]


def exec_(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE[/N]]")],
    command: Annotated[list[str], typer.Argument(metavar="COMMAND")],
    interactive: InteractiveOption = False,
    tty: TerminalOption = False,
    user: UserOption = None,
    workdir: FolderOption = None,
    variables: VariableOption = None,
    environment: PlaceOption = None,
    project: ProjectOption = None,
) -> None:
    """Run a command in a container: a terminal, or a pipe.

    `-it` for a terminal; `-i` for a pipe: stdin, stdout and stderr are passed on byte by byte, and the exit status is the
    command's. Whoever leaves (Ctrl-C on a pipe, a connection that breaks) ends the command.
    """
    ref = parse_ref(target)
    environment, given = _variables(variables, environment)
    wanted = _wanted(command, interactive=interactive, tty=tty, user=user, workdir=workdir, variables=given)
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        with stack.exec(service=ref.service, slot=ref.slot) as stream:
            raise typer.Exit(attach(stream, wanted))


def run(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK/SERVICE")],
    command: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]", help="Default: the service's own.")] = None,
    interactive: InteractiveOption = False,
    tty: TerminalOption = False,
    user: UserOption = None,
    workdir: FolderOption = None,
    variables: VariableOption = None,
    rm: Annotated[bool, typer.Option("--rm", help="Remove the container afterwards, which is always done.")] = True,  # noqa: ARG001
    environment: PlaceOption = None,
    project: ProjectOption = None,
) -> None:
    """Run a command in a one-off container beside a service.

    The container has the service's image, variables, secrets, configs, volumes, networks and limits, and no ports. It ends with
    the command, or when whoever has started it leaves, and is removed.
    """
    ref = parse_ref(target, depth=2)
    if ref.service is None:
        raise InvalidInput(f"Which service of {ref.stack}? Write {ref.stack}/SERVICE.")
    environment, given = _variables(variables, environment)
    wanted = _wanted(command or [], interactive=interactive, tty=tty, user=user, workdir=workdir, variables=given)
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        with stack.run(ref.service) as stream:
            raise typer.Exit(attach(stream, wanted))


def attach(stream: Stream, wanted: dict[str, Any]) -> int:
    """Run what is wanted on this process' own input and output; its exit status."""
    ready = stream.begin(**wanted)
    _tell(ready)
    source = sys.stdin.fileno() if wanted["stdin"] else None
    sys.stdout.flush()
    sinks = {STDOUT: sys.stdout.fileno(), STDERR: sys.stderr.fileno()}
    if source is None or not wanted["tty"]:
        return stream.carry(source, sinks)
    with terminal.lent(source, stream.resize):
        return stream.carry(source, sinks)


def _tell(ready: Ready) -> None:
    if ready.others:
        message(f"{ready.container}, one of {ready.others + 1}")


def _wanted(
    command: list[str], *, interactive: bool, tty: bool, user: str | None, workdir: str | None, variables: dict[str, str]
) -> dict[str, Any]:
    if tty and interactive and not sys.stdin.isatty():
        raise InvalidInput("-t needs a terminal, and standard input is none: leave out -t for a pipe.")
    size = terminal.size() if tty else None
    if command[:1] == ["--"]:  # as kubectl wants it
        command = command[1:]
    return {
        "command": command,
        "tty": tty,
        "stdin": interactive,
        "user": user,
        "workdir": workdir,
        "environment": variables,
        "size": None if size is None else {"rows": size.rows, "columns": size.columns},
    }


def _variables(given: list[str] | None, environment: str | None) -> tuple[str | None, dict[str, str]]:
    """The environment that is meant, and the variables: `-e` is both, and only a variable has an equals sign."""
    variables: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if (equals and not name) or (not equals and text != text.lower()):  # names of environments are in lower case
            raise InvalidInput(f"-e {text}: a variable is written NAME=VALUE; without `=`, -e names the environment.")
        if equals:
            variables[name] = os.fsencode(value).decode(errors="replace")
        else:
            environment = text
    return environment, variables
