"""`spin promote`."""

from __future__ import annotations

from typing import Annotated

import typer

from spin.cli.deploying import finish, show_preview, stop_if_refused
from spin.cli.inputs import read_bytes
from spin.cli.options import FOLLOW_SECONDS, DetachOption, EnvironmentOption, ProjectOption, TimeoutOption
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.errors import InvalidInput


def promote(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    to: Annotated[str, typer.Option("--to", metavar="ENVIRONMENT", help="Where the copy goes.")],
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="NAME=FILE", help="A secret's value there, `-` for stdin; repeat for more."),
    ] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Copy a stack, same images, to another environment.

    The very digests that run in the source environment (-e) run there, with secrets and volumes of their own. Prints first what
    will change there.
    """
    name = parse_ref(stack, depth=1).stack
    values = dict(_secret(text) for text in secret or [])
    with Session(environment=environment, project=project) as session:
        source = session.client.stack(session.project, session.environment, name)
        there = session.client.stack(session.project, to, name)
        preview = source.preview_promotion(to, values)
        show_preview(preview, there)
        stop_if_refused(preview, there)
        finish(there, source.promote(to, values, expect_generation=preview["generation"]), detach=detach, timeout=timeout)


def _secret(text: str) -> tuple[str, bytes]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise InvalidInput(f"--secret {text}: write NAME=FILE.")
    return name, read_bytes(file)
