"""`spin events` and `spin audit`."""

from __future__ import annotations

import json as json_module
import os
import sys
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import colours, data, for_programs, message, now
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import paint
from spin.cli.times import local
from spin.cli.times import since as moment_of
from spin.client.shapes import EventView

_COLOURS = {"accepted": "cyan", "refused": "red", "decided": "magenta", "failed": "red", "state": "green"}
_DEFAULT = 100


class Asked(StrEnum):
    """What became of a wish."""

    accepted = "accepted"
    refused = "refused"
    decided = "decided"


SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Such as 90s, 1h, or 2026-01-31T12:00Z.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only before this time; as --since.")]
NewestOption = Annotated[
    int, typer.Option("-n", "--last", metavar="N", min=0, max=1000, help="How many, the newest; 0 with -f: only what comes.")
]
LastOption = Annotated[int, typer.Option("-n", "--last", metavar="N", min=1, max=1000, help="How many, the newest.")]


def events(
    *,
    target: Annotated[str | None, typer.Argument(metavar="[STACK[/SERVICE]]", help="Default: the whole project.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens next, until Ctrl-C.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    last: NewestOption = _DEFAULT,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """Print what happened to stacks: when, who or what did it, and why.

    Also of stacks that are gone. Without STACK and --environment it is that of all environments of the project. Following
    goes on when the platform is restarted. With --json: one JSON object a line.
    """
    if follow and until is not None:
        raise typer.BadParameter("--follow and --until exclude each other.")
    ref = None if target is None else parse_ref(target, depth=2)
    start = None if since is None else moment_of(since, now())
    end = None if until is None else moment_of(until, now(), option="--until")
    with Session(environment=environment, project=project) as session:
        where = session.environment if ref is not None else environment
        stack, service = (None, None) if ref is None else (ref.stack, ref.service)
        owner = session.project
        told = partial(session.client.events, owner, environment=where, stack=stack, service=service)
        newest = told(last=1) if follow else []  # before the list, so that nothing comes in between
        found = told(since=start, until=end, last=max(1, last))
        for event in found if last else ():
            _show(event, wide=ref is None, json=json, template=template)
        sys.stdout.flush()
        if not found and not follow:
            message("Nothing is known to have happened" + ("." if ref is None else f" to {ref} in {where}."))
        if len(found) == last and since is not None and not json:
            message(f"These are the newest {last}; --last shows more.")
        if follow:
            after = max((event["number"] for event in (*newest, *found)), default=0)
            for some in session.client.follow_events(owner, after, environment=where, stack=stack, service=service):
                for event in some:
                    _show(event, wide=ref is None, json=json, template=template)
                sys.stdout.flush()


def _show(event: EventView, *, wide: bool, json: bool, template: str | None) -> None:
    if json or template == "json":
        data(json_module.dumps(event, ensure_ascii=False))
        return
    if for_programs(event, json=False, template=template):
        return
    kind = paint(f"{event['kind']:9}", _COLOURS.get(event["kind"], ""), colours=colours(sys.stdout))
    place = f"{event['environment']}/{event['stack']}  " if wide and event["stack"] else ""
    actor = f"{event['actor']}: " if event["kind"] in list(Asked) else ""
    cause = f" -- {event['cause']}" if event["cause"] else ""
    data(f"{local(event['time'])}  {kind}  {place}{actor}{event['text']}{cause}")


def audit(
    *,
    stack: Annotated[str | None, typer.Argument(metavar="[STACK]", help="Default: the whole project.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    site: Annotated[bool, typer.Option("--site", help="Of all projects and of the site itself (operators).")] = False,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only what this person asked for.")] = None,
    only: Annotated[Asked | None, typer.Option("--only", help="Only what ended so.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    last: LastOption = _DEFAULT,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """Print who asked for which change, from where, and whether it was accepted or refused.

    What the platform decided by itself is there, too: automatic rollbacks and confirmations, by `spin`.
    """
    if site:  # what the surroundings say is not about it
        project = None if project == os.environ.get("SPIN_PROJECT") else project
        environment = None if environment == os.environ.get("SPIN_ENVIRONMENT") else environment
    if site and (stack is not None or project is not None or environment is not None):
        raise typer.BadParameter("--site is for all projects; leave STACK, --project and --environment out.")
    start = None if since is None else moment_of(since, now())
    end = None if until is None else moment_of(until, now(), option="--until")
    name = None if stack is None else parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        session.require_sign_in()
        found = session.client.audit(
            None if site else session.project,
            environment=session.environment if name is not None else environment,
            stack=name,
            user=user,
            kind=None if only is None else only.value,
            since=start,
            until=end,
            last=last,
        )
    if for_programs(found, json=json, template=template):
        return
    for event in found:
        data(_line(event, site=site))
    if not found:
        message("Nobody has asked for anything like that.")


def _line(event: EventView, *, site: bool) -> str:
    kind = paint(f"{event['kind']:8}", _COLOURS.get(event["kind"], ""), colours=colours(sys.stdout))
    names = [event["project"] if site else None, event["environment"], event["stack"]]
    place = "/".join(name for name in names if name)
    caller = event["caller"] or {"address": "", "key": None}
    origin = " ".join(part for part in (caller["address"], f"key {caller['key']}" if caller["key"] else "") if part)
    cause = f" -- {event['cause']}" if event["cause"] else ""
    start = f"{local(event['time'])}  {kind}  {event['actor']}" + (f" ({origin})" if origin else "")
    return f"{start}  {place + ': ' if place else ''}{event['text']}{cause}"
