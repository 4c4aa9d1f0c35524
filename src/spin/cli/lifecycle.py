"""`spin start`, `stop`, `restart` and `rm`."""

from __future__ import annotations

import time
from typing import Annotated, TypeAlias

import typer

from spin.cli import progress
from spin.cli.options import FOLLOW_SECONDS, DetachOption, EnvironmentOption, ProjectOption, TimeoutOption, YesOption
from spin.cli.output import confirm, message
from spin.cli.refs import by_stack, parse_ref
from spin.cli.session import Session
from spin.client import Stack
from spin.errors import InvalidInput, Unavailable

TargetsArgument: TypeAlias = Annotated[list[str], typer.Argument(metavar="STACK[/SERVICE]")]
GUARDED = "production"
"""The environment in which removing something is asked about."""


def start(
    *,
    targets: TargetsArgument,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Start a stopped stack or service."""
    _act("start", targets, environment, project, timeout, detach=detach)


def stop(
    *,
    targets: TargetsArgument,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Stop a stack or service; it stays defined."""
    _act("stop", targets, environment, project, timeout, detach=detach)


def restart(
    *,
    targets: TargetsArgument,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Replace the containers of a stack or service by fresh ones."""
    _act("restart", targets, environment, project, timeout, detach=detach)


def _act(verb: str, targets: list[str], environment: str | None, project: str | None, timeout: float, *, detach: bool) -> None:
    wanted = by_stack(targets)
    with Session(environment=environment, project=project) as session:
        for name, services in wanted.items():
            stack = session.client.stack(session.project, session.environment, name)
            accepted = stack.act(verb, services)
            if detach:
                message(f"Accepted: {verb} {', '.join(f'{name}/{s}' for s in services) or name} in {stack.environment}.")
                continue
            begun = time.monotonic()
            view = progress.follow(stack, accepted["generation"], timeout)
            progress.conclude(stack, view, time.monotonic() - begun, accepted)


def rm(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the stack's volumes and their data, too.")] = False,
    yes: YesOption = False,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Remove a stack; its volumes are kept unless told otherwise.

    Asks first in production and where data is deleted; -y answers. Waits until everything is gone.
    """
    if "/" in stack:
        raise InvalidInput("`spin rm` removes whole stacks. Take the service out of the Compose file, then `spin up`.")
    name = parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        target = session.client.stack(session.project, session.environment, name)
        target.view()  # no such stack: said before anything is asked
        held = _volumes_of(session, target)
        if not yes:
            _ask(name, target.environment, held, volumes=volumes)
        accepted = target.remove(volumes=volumes)
        if detach:
            message(f"Accepted: rm {name} in {target.environment}.")
            return
        begun = time.monotonic()
        view = progress.follow(target, accepted["generation"], timeout, removal=True)
        progress.conclude(target, view, time.monotonic() - begun)
        if held:
            message(f"Deleted with their data: {', '.join(held)}." if volumes else f"Volumes that are kept: {', '.join(held)}.")


def _volumes_of(session: Session, target: Stack) -> list[str]:
    """The stack's volumes, as far as the engine tells."""
    try:
        volumes = session.client.volumes(target.project)
    except Unavailable:
        return []
    return [v["name"] for v in volumes if (v["environment"], v["stack"]) == (target.environment, target.name)]


def _ask(name: str, environment: str, held: list[str], *, volumes: bool) -> None:
    if volumes and held:
        question = f"Remove {name} from {environment}, and delete the data in {', '.join(held)} for ever?"
    elif volumes or environment == GUARDED:
        question = f"Remove {name} from {environment}?"
    else:
        return
    confirm(question, otherwise=f"Removing {name} from {environment} needs --yes where nobody can be asked.")
