"""`spin why`."""

from __future__ import annotations

import sys
from datetime import UTC
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import colours, data, for_programs, message, now, terminal_width
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import clean, cut, paint
from spin.cli.times import local, parse_time
from spin.cli.times import since as moment_of
from spin.client.shapes import EntryView, ExplanationView

_COLOURS = {
    "revision": "cyan",
    "change": "cyan",
    "state": "green",
    "failure": "red",
    "engine": "red",
    "probe": "yellow",
    "edge": "yellow",
    "step": "dim",
    "log": "dim",
}
_WIDEST = 9


def why(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE]")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="The time-line from then on, such as 90s, 1h, or 2026-01-31T12:00Z."),
    ] = None,
    last: Annotated[int, typer.Option("-n", "--last", metavar="N", min=1, max=2000, help="Entries of the time-line.")] = 30,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """Print what is wrong with a stack, since when, and what changed just before.

    Or with one of its services; below it the time-line.

    The time-line has revisions, changes, steps, states, containers, answers of health checks, failures (5xx) that visitors met, and
    last log lines. Also of a stack that is gone. Exit status 0 also where something is wrong.
    """
    ref = parse_ref(target, depth=2)
    start = None if since is None else moment_of(since, now())
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        found = stack.why(service=ref.service, since=start, last=last)
    if for_programs(found, json=json, template=template):
        return
    coloured = colours(sys.stdout)
    data(paint(clean(_sentence(found)), "green" if found["well"] else "bold", colours=coloured))
    data("")
    width = terminal_width(sys.stdout)
    for entry in found["timeline"]:
        data(_line(entry, width, coloured=coloured))
    if len(found["timeline"]) == last:
        message(f"These are the newest {last}; --last shows more.")


def _sentence(found: ExplanationView) -> str:
    """The sentence with its times as the clock on the wall shows them."""
    sentence = found["sentence"]
    times = [found["since"], found["change"]["time"] if found["change"] else None, *(e["time"] for e in found["timeline"])]
    for text in dict.fromkeys(t for t in times if t):
        moment = parse_time(text)
        for form in ("%Y-%m-%d %H:%M", "%H:%M"):
            sentence = sentence.replace(f"{moment.astimezone(UTC):{form}} UTC", f"{moment.astimezone():{form}}")
    return sentence


def _line(entry: EntryView, width: int | None, *, coloured: bool) -> str:
    source = entry["source"]
    actor = f"{entry['actor']}: " if entry["actor"] else ""
    number = f"revision {entry['revision']}: " if source == "revision" else ""
    place = entry["container"] if source in ("log", "probe") else None
    cause = f" -- {entry['cause']}" if entry["cause"] else ""
    text = clean(f"{place + ': ' if place else ''}{actor}{number}{entry['text']}{cause}")
    start = f"{local(entry['time'])}  "
    if width is not None:
        text = cut(text, max(20, width - len(start) - _WIDEST - 2))
    colour = _COLOURS.get(source)
    body = paint(text, "dim", colours=coloured) if colour == "dim" else text
    return f"{paint(start, 'dim', colours=coloured)}{paint(f'{source:{_WIDEST}}', colour, colours=coloured)}  {body}"
