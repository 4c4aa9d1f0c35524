"""A stack's logs as blocks, taken up again where following breaks off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Unpack

from spin.client.logs import LogBlock, LogQuery, Reading
from spin.client.patience import Patience
from spin.client.transport import Transport
from spin.errors import Unavailable
from spin.model.log import BLOCKS


class LogFeeds:
    """Logs of one stack."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path

    def __call__(self, **query: Unpack[LogQuery]) -> LogFeed:
        return LogFeed(self._transport, self._path, query)


class LogFeed:
    """What one question about logs finds."""

    def __init__(self, transport: Transport, path: str, query: Mapping[str, Any]) -> None:
        self._transport = transport
        self._path = path
        self._reading = Reading(query)

    def blocks(self) -> Iterator[LogBlock]:
        """Until there is nothing more. Following goes on over a platform that is restarted: no line is lost or comes twice."""
        patience = Patience()
        while True:
            try:
                with closing(self._transport.pieces(self._path, query=self._reading.query(), accept=BLOCKS)) as pieces:
                    for piece in pieces:
                        yield from self._reading.feed(piece)
                        if self._reading.begun:
                            patience.answered()
                self._reading.end()
            except Unavailable as error:
                if not self._reading.follows:
                    raise
                self._transport.pause(patience.after(error))
            else:
                return
