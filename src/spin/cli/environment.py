"""`spin environment`."""

from __future__ import annotations

from spin.cli.options import FormatOption, JsonOption
from spin.cli.output import for_programs, print_table
from spin.cli.session import Session
from spin.cli.tables import Cell


def ls(*, json: JsonOption = False, template: FormatOption = None) -> None:
    """List the environments and whether their engines answer."""
    with Session() as session:
        session.require_sign_in()
        environments = session.client.environments()
    if for_programs(environments, json=json, template=template):
        return
    rows: list[list[str | Cell]] = [
        [
            e["name"],
            Cell("ready", "green") if e["reachable"] else Cell("unreachable", "red"),
            f"{e['engine']} {e['version']}".strip(),
            str(e["stacks"]),
            e["description"],
            e["detail"],
        ]
        for e in environments
    ]
    print_table(("NAME", "STATE", "ENGINE", "STACKS", "DESCRIPTION", "DETAIL"), rows, empty="This site has no environments.")
