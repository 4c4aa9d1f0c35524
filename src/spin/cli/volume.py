"""`spin volume`."""

from __future__ import annotations

from spin.cli.options import FormatOption, JsonOption, ProjectOption
from spin.cli.output import for_programs, now, print_table
from spin.cli.session import Session
from spin.cli.tables import Cell
from spin.cli.times import relative


def ls(*, project: ProjectOption = None, json: JsonOption = False, template: FormatOption = None) -> None:
    """List volumes, also of stacks that are gone."""
    with Session(project=project) as session:
        volumes = session.client.volumes(session.project)
        where = f"project {session.project}"
    if for_programs(volumes, json=json, template=template):
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            v["environment"],
            f"{v['stack']}/{v['name']}",
            relative(v["created"], moment, never=""),
            ", ".join(v["used_by"]) if v["used_by"] else Cell("unused", "dim"),
            v["engine_name"],
        ]
        for v in volumes
    ]
    print_table(("ENVIRONMENT", "VOLUME", "CREATED", "USED BY", "ENGINE NAME"), rows, empty=f"No volumes in {where}.")
