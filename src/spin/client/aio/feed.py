# Made from spin/client/feed.py: change that file, then run scripts/reference.py.
"""A stack's logs as blocks, taken up again where following breaks off."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Unpack

from spin.client.aio.transport import AsyncTransport
from spin.client.logs import LogBlock, LogQuery, Reading
from spin.client.patience import Patience
from spin.errors import Unavailable
from spin.model.log import BLOCKS


class AsyncLogFeeds:
    """Logs of one stack."""

    def __init__(self, transport: AsyncTransport, path: str) -> None:
        self._transport = transport
        self._path = path

    def __call__(self, **query: Unpack[LogQuery]) -> AsyncLogFeed:
        return AsyncLogFeed(self._transport, self._path, query)


class AsyncLogFeed:
    """What one question about logs finds."""

    def __init__(self, transport: AsyncTransport, path: str, query: Mapping[str, Any]) -> None:
        self._transport = transport
        self._path = path
        self._reading = Reading(query)

    async def blocks(self) -> AsyncGenerator[LogBlock, None]:
        """Until there is nothing more. Following goes on over a platform that is restarted: no line is lost or comes twice."""
        patience = Patience()
        while True:
            try:
                async with aclosing(self._transport.pieces(self._path, query=self._reading.query(), accept=BLOCKS)) as pieces:
                    async for piece in pieces:
                        for one in self._reading.feed(piece):
                            yield one
                        if self._reading.begun:
                            patience.answered()
                self._reading.end()
            except Unavailable as error:
                if not self._reading.follows:
                    raise
                await self._transport.pause(patience.after(error))
            else:
                return
