"""The server's connections: strangers, who have not signed in, may hold none for long, and never keep others out.

Whoever reaches the port (each container does) can open connections and say nothing, or a letter a minute. uvicorn by itself waits for
ever, and answers 503 to everybody once there are too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from spin.model.streams import CHUNK, CONTROL_BYTES

MOST_CONNECTIONS: Final = 2000
"""Beyond this, requests are answered 503. Only those of people who have signed in come so far."""
CROWD: Final = 1600
"""From so many connections on, those leave on which nobody has signed in: idle ones, and requests that are not authenticated."""
LEAVE: Final = 200
"""So many leave at once, the oldest first, so that looking for them costs little."""
HEAD_SECONDS: Final = 20.0
"""Within which a request's head has to be there."""


class Connection(H11Protocol):
    """One connection of the API's server."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head: asyncio.TimerHandle | None = None
        self.since = self.loop.time()
        """When it was opened, or its last answer ended."""

    @property
    def is_strangers(self) -> bool:
        """Whether nobody who has signed in waits for an answer here."""
        return self.cycle is None or self.cycle.response_complete or "principal" not in self.cycle.scope["state"]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the class itself
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) >= CROWD:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._have_head()
        elif self._head is None:
            self._expect_head()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._late)

    def _have_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _late(self) -> None:
        self._head = None
        if self.cycle is None or self.cycle.response_complete:  # else a request before it still has its answer to come
            self.transport.close()

    def _make_room(self) -> None:
        others = [c for c in self.connections if isinstance(c, Connection) and c is not self and c.is_strangers]
        others.sort(key=lambda c: c.since)
        for connection in others[:LEAVE]:
            connection.transport.abort()  # its answer may be what it does not read
            self.connections.discard(connection)  # now, for more may come in the same moment


SERVER: Final[Mapping[str, Any]] = {
    "http": Connection,
    "limit_concurrency": MOST_CONNECTIONS,
    "ws": "websockets-sansio",
    "ws_max_size": CHUNK + CONTROL_BYTES,
    "ws_per_message_deflate": False,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 90.0,
}
"""How uvicorn serves the API. WebSockets: no compression, which costs more than it saves; a ping often enough for proxies that cut what
is idle for a minute; and a client that has not answered one for long has vanished."""
