"""TCP ports: taking one to listen on, and saying who holds it when that cannot be done."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp (Linux: include/net/tcp_states.h)."""
_BACKLOG = 1024
"""Connections that may wait to be accepted, while the process that serves them starts again."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    command: str


class PortUnavailable(Exception):
    """A service cannot have its port. The message names the service, the port, and the holder where the machine tells."""

    def __init__(self, service: str, host: str, port: int, reason: str, holder: Holder | None = None) -> None:
        by = f" by process {holder.pid} ({holder.command})" if holder else ""
        super().__init__(f"Port {port} of {host}, wanted for the {service}, {reason}{by}.")
        self.service = service
        self.host = host
        self.port = port
        self.holder = holder


def listen(service: str, host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortUnavailable.

    SO_REUSEPORT stays off: with it, a second listener of the same user would share the connections instead of being refused.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortUnavailable(service, host, port, "is taken", holder(port)) from None
        reason = f"cannot be used ({os.strerror(error.errno or 0).lower()})"
        raise PortUnavailable(service, host, port, reason) from None
    return opened


def check_port(service: str, host: str, port: int) -> None:
    """Raises PortUnavailable unless `service` could listen there now."""
    listen(service, host, port).close()


def holder(port: int) -> Holder | None:
    """Who listens on `port`; None if nobody does, or if it is not ours to know (another user's process)."""
    inodes = _listening(port)
    for directory in Path("/proc").iterdir() if inodes else ():
        if directory.name.isdigit() and inodes & _sockets(directory):
            return Holder(int(directory.name), _command(directory))
    return None


def _listening(port: int) -> set[str]:
    """The listening sockets on that port, as `/proc/<pid>/fd` shows them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _sockets(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in (process / "fd").iterdir():
            try:
                found.add(str(descriptor.readlink()))
            except OSError:
                continue
    except OSError:
        return set()
    return found


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return b" ".join(words).decode(errors="replace")[:120] or (process / "comm").read_text().strip()
    except OSError:
        return "?"
