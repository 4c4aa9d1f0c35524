"""`spin stack ls` and `spin inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, JsonOption, ProjectOption
from spin.cli.output import json_data, now, print_table
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import Cell, state
from spin.cli.times import relative
from spin.client.shapes import ServiceView, StackView
from spin.errors import NotFound


def ls(*, environment: EnvironmentOption = None, project: ProjectOption = None, json: JsonOption = False) -> None:
    """List stacks."""
    with Session(environment=environment, project=project) as session:
        views = session.client.stacks(session.project, session.environment)
        where = f"{session.environment} (project {session.project})"
    if json:
        json_data(views)
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            view["stack"],
            state(view["state"]),
            str(len(view["services"])),
            str(view["revision"]),
            view["author"],
            relative(view["changed"], moment),
            " ".join(view["urls"]),
            view["detail"],
        ]
        for view in views
    ]
    headings = ("STACK", "STATE", "SERVICES", "REVISION", "AUTHOR", "CHANGED", "ENDPOINTS", "DETAIL")
    print_table(headings, rows, empty=f"No stacks in {where}. `spin up` makes one.")


def inspect(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE]")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    _json: JsonOption = True,
) -> None:
    """Print everything known of a stack or service as JSON."""
    ref = parse_ref(target, depth=2)
    with Session(environment=environment, project=project) as session:
        view = session.client.stack(session.project, session.environment, ref.stack).view()
    if ref.service is None:
        json_data(view)
        return
    service = service_of(view, ref.service)
    json_data({"stack": ref.stack, **service, "containers": [c for c in view["containers"] if c["service"] == ref.service]})


def service_of(view: StackView, name: str) -> ServiceView:
    """The service of that name. Raises NotFound, naming those that there are."""
    for service in view["services"]:
        if service["name"] == name:
            return service
    raise NotFound(f"{view['stack']} has no service {name!r}. It has: {', '.join(s['name'] for s in view['services'])}.")
