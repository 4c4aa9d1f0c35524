"""`spin scale`."""

from __future__ import annotations

from typing import Annotated

import typer

from spin.cli.deploying import finish, show_preview, stop_if_refused
from spin.cli.options import FOLLOW_SECONDS, DetachOption, EnvironmentOption, ProjectOption, TimeoutOption
from spin.cli.refs import parse_scale
from spin.cli.session import Session


def scale(
    *,
    targets: Annotated[list[str], typer.Argument(metavar="STACK/SERVICE=N")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Change how many containers services have.

    Prints first what will change. Containers that run stay as they are.
    """
    wanted: dict[str, dict[str, int]] = {}
    for stack, service, count in [parse_scale(text) for text in targets]:
        wanted.setdefault(stack, {})[service] = count
    with Session(environment=environment, project=project) as session:
        for name, replicas in wanted.items():
            stack_there = session.client.stack(session.project, session.environment, name)
            preview = stack_there.preview_scale(replicas)
            show_preview(preview, stack_there)
            stop_if_refused(preview, stack_there)
            finish(
                stack_there, stack_there.scale(replicas, expect_generation=preview["generation"]), detach=detach, timeout=timeout
            )
