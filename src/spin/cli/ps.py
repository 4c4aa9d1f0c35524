"""`spin ps`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import for_programs, message, now, print_table
from spin.cli.progress import what_next
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.stack import service_of
from spin.cli.tables import Cell, image, short, state
from spin.cli.times import relative
from spin.client.shapes import ContainerView, ServiceView, StackView

_RESTING_SERVICES = frozenset({"stopped", "completed", "removed"})
_FLEXIBLE = ("IMAGE",)
_RESTING_CONTAINERS = frozenset({"exited", "created"})


def ps(
    *,
    stack: Annotated[str | None, typer.Argument(metavar="STACK", help="Only this stack, or STACK/SERVICE.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    all_of_them: Annotated[bool, typer.Option("-a", "--all", help="Also what does not run.")] = False,
    containers: Annotated[bool, typer.Option("-c", "--containers", help="Containers instead of services.")] = False,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List services, or containers, with their state and addresses."""
    ref = parse_ref(stack, depth=2) if stack else None
    with Session(environment=environment, project=project) as session:
        if ref is None:
            views = session.client.stacks(session.project, session.environment)
        else:
            views = [session.client.stack(session.project, session.environment, ref.stack).view()]
        where = f"{session.environment} (project {session.project})"
    service = ref.service if ref else None
    if service is not None:
        service_of(views[0], service)
    show = _containers if containers else _services
    show(views, service, where, all_of_them=all_of_them, json=json, template=template)


def _services(
    views: list[StackView], only: str | None, where: str, *, all_of_them: bool, json: bool, template: str | None
) -> None:
    every = [(view, s) for view in views for s in view["services"] if only in (None, s["name"])]
    shown = [(view, s) for view, s in every if all_of_them or s["state"] not in _RESTING_SERVICES]
    if not for_programs([{"stack": view["stack"], **s} for view, s in shown], json=json, template=template):
        headings = ("SERVICE", "STATE", "SCALE", "IMAGE", "DIGEST", "ENDPOINTS", "DETAIL")
        print_table(
            headings, [_service_row(view, s) for view, s in shown], empty=f"No services run in {where}.", flexible=_FLEXIBLE
        )
        _hidden(len(every) - len(shown), "service")
        for view in views:
            if view["detail"] and not view["services"]:
                message(f"{view['stack']}: {view['state']}: {view['detail']}")
            if what_next(view):
                message(f"{view['stack']} is upgraded. {what_next(view)}")


def _service_row(view: StackView, service: ServiceView) -> list[str | Cell]:
    return [
        f"{view['stack']}/{service['name']}",
        state(service["state"]),
        f"{service['ready']}/{service['wanted']}" if service["state"] != "scheduled" or service["wanted"] else "",
        image(service["image"]),
        short(service["digest"]),
        " ".join([*service["urls"], *service["ports"]]),
        service["detail"],
    ]


def _containers(
    views: list[StackView], only: str | None, where: str, *, all_of_them: bool, json: bool, template: str | None
) -> None:
    every = [(view, c) for view in views for c in view["containers"] if only in (None, c["service"])]
    shown = [(view, c) for view, c in every if all_of_them or c["kept"] or c["phase"] not in _RESTING_CONTAINERS]
    if not for_programs([{"stack": view["stack"], **c} for view, c in shown], json=json, template=template):
        moment = now()
        headings = ("NAME", "ID", "STATE", "SINCE", "ROUTED", "ADDRESS", "RESTARTS", "IMAGE", "DETAIL")
        print_table(
            headings, [_container_row(c, moment) for _, c in shown], empty=f"No containers run in {where}.", flexible=_FLEXIBLE
        )
        _hidden(len(every) - len(shown), "container")


def _container_row(container: ContainerView, moment: datetime) -> list[str | Cell]:
    phase = state(container["phase"])
    return [
        container["name"],
        short(container["id"]),
        phase if container["current"] else Cell(f"{phase.text} ({'kept' if container['kept'] else 'old'})", phase.colour),
        relative(container["since"], moment),
        "yes" if container["routed"] else "",
        container["address"] or "",
        str(container["restarts"]) if container["restarts"] else "",
        image(container["image"]),
        container["detail"],
    ]


def _hidden(count: int, what: str) -> None:
    if count:
        message(f"{count} {what}{'' if count == 1 else 's'} not running; --all shows {'it' if count == 1 else 'them'}.")
