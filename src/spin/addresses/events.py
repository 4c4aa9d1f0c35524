"""What the kernel tells about changes of its nftables: who listens knows that a table is as it was written, without reading it.

The kernel sends the events of a transaction before the transaction's own program hears that it is done, and in order. So after
reading what has come so far, nothing that has been changed up to now is unknown.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

from spin.addresses import netlink

_TABLES: Final = 10  # NFNL_SUBSYS_NFTABLES
_GROUP: Final = 7  # NFNLGRP_NFTABLES
_NEW_CHAIN: Final = _TABLES << 8 | 3
_NEW_GENERATION: Final = _TABLES << 8 | 15  # the end of a transaction
_TABLE, _CHAIN_NAME = 1, 3
_LARGEST: Final = 1 << 17  # bytes of one datagram
_FORCE_RECEIVE_BUFFER: Final = 33  # SO_RCVBUFFORCE: not bounded by a sysctl, for root
_BUFFER: Final = 64 * 1024**2  # bytes; a bound, not an allocation: 1,000 addresses written anew take some 4 MB


class Lost(Exception):
    """The kernel had more to tell than fitted into the buffer: what has happened is not known."""


class TableEvents:
    """The transactions that touch one table, from the moment this is made. `family`: of the table, in the kernel's numbers."""

    def __init__(self, table: str, family: int = netlink.IPV4) -> None:
        """Raises OSError where the kernel does not let us listen."""
        self._table = table
        self._family = family
        self._pattern = table.encode() + b"\0"
        self._within = False  # a transaction of which the end has not been read touches the table
        self._made: set[str] = set()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, netlink.NETFILTER
        )
        try:
            with contextlib.suppress(PermissionError):
                self._socket.setsockopt(socket.SOL_SOCKET, _FORCE_RECEIVE_BUFFER, _BUFFER)
            self._socket.bind((0, 1 << (_GROUP - 1)))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[frozenset[str]]:
        """For each transaction since the last call that touched the table: the chains it made there. Never waits. Raises Lost."""
        found: list[frozenset[str]] = []
        while True:
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    self._within, self._made = False, set()
                    raise Lost from None
                raise
            if self._within or self._pattern in data:
                self._take(data, found)

    def _take(self, data: bytes, found: list[frozenset[str]]) -> None:
        for message in netlink.messages(data):
            if message.type == _NEW_GENERATION:
                if self._within:
                    found.append(frozenset(self._made))
                self._within, self._made = False, set()
            elif message.type >> 8 == _TABLES and message.family == self._family:
                named = netlink.attributes(message.body)
                if netlink.text(named.get(_TABLE, memoryview(b""))) == self._table:
                    self._within = True
                    if message.type == _NEW_CHAIN:
                        self._made.add(netlink.text(named[_CHAIN_NAME]))
