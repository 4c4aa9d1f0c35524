"""`spin open`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, ProjectOption
from spin.cli.output import data, message
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.errors import InvalidInput, NotFound


def open_(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE]")],
    print_: Annotated[bool, typer.Option("--print", help="Only print the address.")] = False,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
) -> None:
    """Open a stack or service in the browser.

    The address is printed as well: of the service, or of the first one that has one.
    """
    ref = parse_ref(target, depth=2)
    with Session(environment=environment, project=project) as session:
        view = session.client.stack(session.project, session.environment, ref.stack).view()
    services = [s for s in view["services"] if ref.service in (None, s["name"])]
    if not services and ref.service is not None:
        known = ", ".join(s["name"] for s in view["services"])
        raise NotFound(f"The stack {ref.stack!r} has no service {ref.service!r}. It has: {known}.")
    urls = [url for service in services for url in service["urls"]]
    if not urls:
        raise InvalidInput(
            f"{ref} has no web address: give a service `x-spin: {{http: PORT}}`. `spin port-forward` reaches any other port."
        )
    data(urls[0])
    if len(urls) > 1:
        message(f"Also: {', '.join(urls[1:])}")
    if not print_ and not _browse(urls[0]):
        message("There is no browser here to open it in.")


def _browse(url: str) -> bool:
    """Not in a browser for terminals, which would take over the one that this was typed in; in whatever BROWSER names."""
    screen = sys.platform in ("darwin", "win32") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not screen:
        return False
    import webbrowser  # noqa: PLC0415 - costs time, and --print does without

    return webbrowser.open(url)
