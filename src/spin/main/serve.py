"""`spin serve`: options, and one process from the first line of the log to the last."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from spin import rules
from spin.errors import InvalidInput
from spin.main.data import DataDirectory, default_data
from spin.main.logs import configure_logging
from spin.main.platform import RunningPlatform
from spin.site import Site

CONFIG_BYTES = 1024**2
NICE = 5
"""Visitors come first: on a busy machine the platform's own work yields to the edge's and the containers' (nice(1); 0 is usual)."""


def serve(
    data: Annotated[
        Path | None, typer.Option(envvar="SPIN_DATA", help="Directory of all state.", show_default="/var/lib/spin")
    ] = None,
    config: Annotated[Path | None, typer.Option(envvar="SPIN_CONFIG", help="The site file (spin.toml); none is needed.")] = None,
    address: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    api_port: Annotated[int | None, typer.Option(help="Port of the API.", show_default="7070")] = None,
    edge_port: Annotated[int | None, typer.Option(help="Port of the edge.", show_default="8080")] = None,
    registry_port: Annotated[int | None, typer.Option(help="Port of the registry.", show_default="5000")] = None,
    operator: Annotated[str | None, typer.Option(help="Name of the first operator.", show_default="your login name")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the platform on this machine.

    API, controller, registry and edge come up together and stop together (Ctrl-C); the stacks' containers go on. The first
    start writes the operator's API key to DATA/operator.key.
    """
    if log_level not in ("debug", "info", "warning", "error"):
        raise InvalidInput(f"--log-level is one of debug, info, warning, error; not {log_level!r}.")
    configure_logging(log_level)
    site = read_site(config)
    site = replace(
        site,
        address=address or site.address,
        api_port=api_port or site.api_port,
        edge_port=edge_port or site.edge_port,
        registry_port=registry_port or site.registry_port,
    )
    directory = DataDirectory((data or default_data()).absolute())
    try:
        asyncio.run(_serve(RunningPlatform(site, directory, operator or _operator_name())))
    finally:
        directory.close()


def read_site(path: Path | None) -> Site:
    """The site of that file, or the default one. Raises InvalidInput."""
    if path is None:
        return Site()
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_BYTES).decode()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}.", file=str(path)) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: is not UTF-8 text.", file=str(path)) from None
    return rules.read_site(text, str(path))


def tell_service_manager(state: str) -> None:
    """Tell systemd, where it wants to know (sd_notify(3): a datagram to NOTIFY_SOCKET, `@` for the abstract name space)."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        teller.sendto(state.encode(), f"\0{path[1:]}" if path.startswith("@") else path)


def _operator_name() -> str:
    """The login name, as far as it can be a name here."""
    return re.sub(r"[^a-z0-9]+", "-", getpass.getuser().lower()).strip("-")[:40] or "operator"


async def _serve(platform: RunningPlatform) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(platform.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            typer.echo(platform.ready_line())
            tell_service_manager("READY=1")
            running = asyncio.create_task(platform.run())
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            else:
                running.cancel()
                await asyncio.wait({running})
    finally:
        tell_service_manager("STOPPING=1")
        for task in (starting, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({starting, stopping})
        await platform.stop()
