"""How many TCP connections others have open to a container, from the kernel's own list for its network namespace.

Only for containers of an engine on this machine. To read the list costs the kernel some 10 ms of a processor, whatever stands in
it: it walks its whole table of sockets, which all namespaces share. So it is read for containers that are being drained only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
_OPEN = frozenset(("01", "03", "04", "08", "09", "0B"))
"""Established, being established, closed by the peer only, or closed here while the peer has not confirmed all it was sent."""
_MAPPED = "0000000000000000FFFF0000"  # what an IPv4 address has before it in the table for IPv6
_LOOPBACK_6 = "00000000000000000000000001000000"


def connections(pid: int, address: str, proc: Path = _PROC) -> int | None:
    """Open connections from elsewhere to what listens in the namespace of process `pid`; None where that cannot be told.

    `address`: one that the namespace must have. Where it has not, `pid` is not the process that the engine means: it has ended, or
    the engine counts processes otherwise than this machine does.
    """
    net = proc / str(pid) / "net"
    try:
        if f"|-- {address}\n" not in (net / "fib_trie").read_text():
            return None
        tables = [(net / "tcp").read_text()]
        with suppress(FileNotFoundError):  # a kernel without IPv6
            tables.append((net / "tcp6").read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return count(tables)


def count(tables: Iterable[str]) -> int:
    """The same from the text of /proc/net/tcp and /proc/net/tcp6."""
    rows = [row for table in tables for row in _rows(table)]
    listening = {port for port, _, state in rows if state == _LISTENING}
    return sum(state in _OPEN and port in listening and not _loopback(peer) for port, peer, state in rows)


def _rows(table: str) -> Iterator[tuple[str, str, str]]:
    """Local port, peer's address, state: hexadecimal, as they stand there."""
    for line in table.splitlines()[1:]:
        fields = line.split(None, 4)
        if len(fields) > 3:
            yield fields[1].rpartition(":")[2], fields[2].rpartition(":")[0], fields[3]


def _loopback(address: str) -> bool:
    address = address.removeprefix(_MAPPED)
    if len(address) > 8:
        return address == _LOOPBACK_6
    return IPv4Address(bytes.fromhex(address)[::-1]).is_loopback
