"""`spin logs`."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, JsonOption, ProjectOption
from spin.cli.output import colours, data, message, now
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import paint
from spin.cli.times import since as since_time

_PALETTE = ("cyan", "yellow", "green", "red")


def logs(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE[/N]]")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    tail: Annotated[int | None, typer.Option("-n", "--tail", min=0, help="Last lines of each container; default: all.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Such as 90s, 1h, or 2026-01-31T12:00Z.")] = None,
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="Begin each line with its time.")] = False,
    json: JsonOption = False,
) -> None:
    """Print what containers have written.

    Each line begins with its container's name. With --json: one JSON object a line.
    """
    ref = parse_ref(target)
    moment = None if since is None else since_time(since, now())
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        painted: dict[str, str] = {}
        coloured = colours(sys.stdout)
        width = count = 0
        for line in stack.logs(service=ref.service, slot=ref.slot, tail=tail, since=moment):
            count += 1
            if json:
                data(json_module.dumps(line, ensure_ascii=False))
                continue
            name = line["instance"]
            colour = painted.setdefault(name, _PALETTE[len(painted) % len(_PALETTE)])
            width = max(width, len(name))
            time = f"{line['time']} " if timestamps else ""
            data(paint(f"{name:{width}} | ", colour, colours=coloured) + time + line["text"])
        if not count:
            message(f"{ref} has written nothing{'' if since is None else f' since {since}'}.")
