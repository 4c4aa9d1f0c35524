"""`spin up` and `spin plan`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spin.cli import files as compose_files
from spin.cli.changes import change_lines
from spin.cli.deploying import finish, headline, show_findings, show_preview, stop_if_refused
from spin.cli.options import (
    FOLLOW_SECONDS,
    DetachOption,
    EnvFileOption,
    EnvironmentOption,
    FileOption,
    JsonOption,
    ProjectOption,
    StackOption,
    TimeoutOption,
)
from spin.cli.output import colours, data, json_data, message
from spin.cli.session import Session
from spin.client import Stack


def up(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
    note: Annotated[str, typer.Option("-m", "--note", metavar="TEXT", help="Kept with the revision.")] = "",
) -> None:
    """Deploy a Compose file and follow it until it runs.

    Prints first what it will add, change and remove, and what the site's rules say of it. Ends with the stack's URLs on stdout.
    Without -f it takes compose.yaml (or docker-compose.yml) and its override file from here or the nearest directory above.
    Ctrl-C stops watching; the stack goes on.
    """
    with Session(environment=environment, project=project) as session:
        loaded, target = _load(session, files, env_files, stack)
        preview = target.plan(loaded.json)
        show_preview(preview, target)
        stop_if_refused(preview, target)
        finish(
            target, target.deploy(loaded.json, expect_generation=preview["generation"], note=note), detach=detach, timeout=timeout
        )


def plan(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    json: JsonOption = False,
) -> None:
    """Print what `up` would add, change and remove; change nothing."""
    with Session(environment=environment, project=project) as session:
        loaded, target = _load(session, files, env_files, stack)
        preview = target.plan(loaded.json)
        if json:
            json_data(preview)
        else:
            message(headline(preview, target))
            for line in change_lines(preview["changes"], colours=colours(sys.stdout)):
                data(line)
            show_findings(preview["findings"])
        stop_if_refused(preview, target)


def _load(
    session: Session, names: list[str] | None, env_files: list[str] | None, stack: str | None
) -> tuple[compose_files.Loaded, Stack]:
    session.require_sign_in()
    added = {"SPIN_REGISTRY": session.registry, "SPIN_PROJECT": session.project, "SPIN_ENVIRONMENT": session.environment}
    loaded = compose_files.load(names, env_files, stack, added)
    return loaded, session.client.stack(session.project, session.environment, loaded.stack)
