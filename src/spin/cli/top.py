"""`spin top`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from spin.cli import amounts
from spin.cli.options import EnvironmentOption, ProjectOption
from spin.cli.output import is_terminal
from spin.cli.overview import Row, rows
from spin.cli.session import Session
from spin.cli.times import local
from spin.client import Client
from spin.client.shapes import EntryView, StatsView
from spin.errors import EngineUnavailable, InvalidInput, NotFound

if TYPE_CHECKING:
    from spin.cli.screen import Detail

_PATIENCE = 5.0
"""Seconds for one answer: who looks on wants to be told that there is none."""
_EVENTS = 1000
_LINES = 200


def top(
    *,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    every: Annotated[bool, typer.Option("-a", "--all", help="The stacks of all environments.")] = False,
) -> None:
    """Show all your stacks on one screen, live.

    State, containers, use, and the last thing that happened.

    Keys: arrows, Enter to look inside, / to filter, s to sort, q to quit. Without --project: the stacks of all your projects.
    """
    if not all(is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on the last
        raise typer.BadParameter("top needs a terminal; `spin ps`, `spin stats` and `spin events` print the same.")
    with Session(environment=environment, project=project) as session:
        session.require_sign_in()
        chosen = session.stored_project
        projects = [chosen] if chosen else [p["name"] for p in session.client.whoami()["projects"]]
        if not projects:
            raise InvalidInput(
                "You are in no project yet. Make one with `spin project create NAME`, or ask its owner to add you."
            )
        environments = [e["name"] for e in session.site["environments"]] if every else [session.environment]
        url, token = session.url, session.token
    from spin.cli.screen import Top  # noqa: PLC0415 - brings Textual, which only this command needs

    # Two, since the two views ask in two threads.
    with Client(url, token, timeout=_PATIENCE) as far, Client(url, token, timeout=_PATIENCE) as near:
        title = f"{', '.join(projects)} in {', '.join(environments)}"
        Top(title, lambda: _look(far, projects, environments), lambda row: _near(near, row), wide=every).run()


def _look(client: Client, projects: list[str], environments: list[str]) -> list[Row]:
    found: list[Row] = []
    for project in projects:
        events = client.events(project, last=_EVENTS)
        for environment in environments:
            views = client.stacks(project, environment)
            found += rows(project, environment, views, _stats(client, project, environment) if views else [], events)
    return found


def _stats(client: Client, project: str, environment: str, stack: str | None = None) -> list[StatsView]:
    """Nothing where the engine does not answer: the rest is still worth seeing."""
    try:
        return client.stats(project, environment) if stack is None else client.stack(project, environment, stack).stats()
    except EngineUnavailable:
        return []


def _near(client: Client, row: Row) -> Detail:
    from spin.cli.screen import Detail  # noqa: PLC0415 - as above

    stack = client.stack(row.project, row.environment, row.stack)
    found = stack.why(last=_LINES)
    try:
        containers = stack.view()["containers"]
    except NotFound:
        containers = []
    used = {each["id"]: each for each in _stats(client, row.project, row.environment, row.stack)} if containers else {}
    return Detail(
        found["sentence"],
        tuple(
            (
                c["name"] if c["current"] else f"{c['name']} ({'kept' if c['kept'] else 'old'})",
                c["phase"],
                amounts.percent(used[c["id"]]["cpu"]) if c["id"] in used else "",
                amounts.memory(used[c["id"]]["memory"]) if c["id"] in used else "",
                str(c["restarts"]) if c["restarts"] else "",
                c["detail"],
            )
            for c in containers
        ),
        tuple(_line(entry) for entry in found["timeline"]),
    )


def _line(entry: EntryView) -> str:
    place = f"{entry['container']}: " if entry["source"] in ("log", "probe") and entry["container"] else ""
    actor = f"{entry['actor']}: " if entry["actor"] else ""
    cause = f" -- {entry['cause']}" if entry["cause"] else ""
    return f"{local(entry['time'])[11:]}  {entry['source']:9}  {place}{actor}{entry['text']}{cause}"
