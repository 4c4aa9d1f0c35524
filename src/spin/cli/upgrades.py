"""`spin confirm` and `spin rollback`: what becomes of an upgrade."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spin.cli.changes import change_lines, summary
from spin.cli.deploying import finish
from spin.cli.options import (
    FOLLOW_SECONDS,
    DetachOption,
    EnvironmentOption,
    NoteOption,
    ProjectOption,
    TimeoutOption,
)
from spin.cli.output import colours, message
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.client import Stack


def confirm(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Keep an upgrade: remove the containers from before.

    Where nothing is unconfirmed it says so and succeeds, so a script may repeat it. It fails while the upgrade is not complete, when
    it has failed, and when it was rolled back.
    """
    name = parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        confirm_it(session.client.stack(session.project, session.environment, name), detach=detach, timeout=timeout)


def confirm_it(target: Stack, *, detach: bool, timeout: float) -> None:
    view = target.view()
    accepted = target.confirm(expect_generation=view["generation"])
    where = f"{target.name} in {target.environment}"
    if view["upgrade"] is None:
        message(f"Nothing to confirm: revision {accepted['revision']} of {where} is the confirmed one.")
        return
    message(f"Revision {accepted['revision']} of {where} is confirmed.")
    if not detach:
        finish(target, accepted, detach=False, timeout=timeout)


def rollback(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    to: Annotated[
        int | None, typer.Option("--to", metavar="REVISION", min=1, help="An earlier revision; default: the confirmed one.")
    ] = None,
    note: NoteOption = "",
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Give up an upgrade: the containers from before run again.

    Works in every state of the upgrade. With --to any earlier revision is deployed again, with the images and secrets it had
    (`spin revisions` lists them).
    """
    name = parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        target = session.client.stack(session.project, session.environment, name)
        roll_back_it(target, to=to, note=note, detach=detach, timeout=timeout)


def roll_back_it(target: Stack, *, to: int | None, note: str, detach: bool, timeout: float) -> None:
    view = target.view()
    accepted = target.rollback(to=to, expect_generation=view["generation"], note=note)
    goal = to or (view["upgrade"]["base"] if view["upgrade"] else accepted["revision"])
    what = summary(accepted["changes"]) or "nothing to change"
    message(f"{target.name} in {target.environment} (project {target.project}): back to revision {goal}: {what}.")
    for line in change_lines(accepted["changes"], colours=colours(sys.stderr)):
        message(line)
    finish(target, accepted, detach=detach, timeout=timeout)
