"""`spin revisions` and `spin diff`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spin.cli.changes import change_lines, summary
from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import colours, data, for_programs, message, now, print_table
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import Cell
from spin.cli.times import relative
from spin.client.shapes import RevisionView

_FLEXIBLE = ("CHANGED", "NOTE")
_FIRST = 20


def revisions(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    last: Annotated[int, typer.Option("-n", "--last", metavar="N", min=1, max=1000, help="How many, the newest first.")] = _FIRST,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List a stack's revisions: who changed what, and when."""
    name = parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        found = session.client.stack(session.project, session.environment, name).revisions(last=last)
    if for_programs(found, json=json, template=template):
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            str(revision["number"]),
            _role(revision),
            revision["origin"],
            revision["author"],
            relative(revision["created"], moment),
            "; ".join(revision["changed"]),
            revision["note"].partition("\n")[0],
        ]
        for revision in found
    ]
    print_table(("REVISION", "IS", "MADE BY", "AUTHOR", "CREATED", "CHANGED", "NOTE"), rows, empty="", flexible=_FLEXIBLE)


def _role(revision: RevisionView) -> Cell:
    if revision["desired"]:
        return Cell("wanted", "green") if revision["confirmed"] else Cell("unconfirmed", "cyan")
    return Cell("confirmed", "green") if revision["confirmed"] else Cell("")


def diff(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    old: Annotated[
        int | None, typer.Argument(metavar="OLD", min=1, help="A revision; default: the confirmed one, else the one before.")
    ] = None,
    new: Annotated[
        int | None,
        typer.Argument(metavar="NEW", min=1, help="What it is compared with; default: the one that is wanted now."),
    ] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """Print what differs between two revisions of a stack."""
    name = parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        target = session.client.stack(session.project, session.environment, name)
        found = target.diff(old=old, new=new)
    if for_programs(found, json=json, template=template):
        return
    before = f"revision {found['old']} → {found['new']}" if found["old"] else f"revision {found['new']}, the first"
    message(f"{name} in {target.environment}: {before}: {summary(found['changes']) or 'no difference'}.")
    for line in change_lines(found["changes"], colours=colours(sys.stdout)):
        data(line)
