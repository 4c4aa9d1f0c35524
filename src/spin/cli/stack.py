"""`spin stack ls`."""

from __future__ import annotations

from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import for_programs, now, print_table
from spin.cli.session import Session
from spin.cli.tables import Cell, state
from spin.cli.times import relative
from spin.client.shapes import ServiceView, StackView
from spin.errors import NotFound


def ls(
    *,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List stacks."""
    with Session(environment=environment, project=project) as session:
        views = session.client.stacks(session.project, session.environment)
        where = f"{session.environment} (project {session.project})"
    if for_programs(views, json=json, template=template):
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            view["stack"],
            state(view["state"]),
            str(len(view["services"])),
            str(view["revision"]),
            view["author"],
            view.get("tags", {}).get("owner", ""),
            relative(view["changed"], moment),
            " ".join(view["urls"]),
            view["detail"],
        ]
        for view in views
    ]
    headings = ("STACK", "STATE", "SERVICES", "REVISION", "AUTHOR", "OWNER", "CHANGED", "ENDPOINTS", "DETAIL")
    print_table(headings, rows, empty=f"No stacks in {where}. `spin up` makes one.")


def service_of(view: StackView, name: str) -> ServiceView:
    """The service of that name. Raises NotFound, naming those that there are."""
    for service in view["services"]:
        if service["name"] == name:
            return service
    raise NotFound(f"{view['stack']} has no service {name!r}. It has: {', '.join(s['name'] for s in view['services'])}.")
