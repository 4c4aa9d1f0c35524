"""The one writer of the edge's table: changes of many deployments that come together become one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from spin.model.observed import Route
from spin.ports.edge import Edge

Table: TypeAlias = tuple[Route, ...]
Edit: TypeAlias = Callable[[Table], Table]


class RouteWriter:
    """Reads the table, applies all edits that are waiting, writes it if it differs.

    The table in force is read from the edge each time, so an edge that was restarted empty is filled again.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._waiting: list[tuple[Edit, asyncio.Future[None]]] = []
        self._lock = asyncio.Lock()

    async def change(self, edit: Edit) -> None:
        """Returns when the edge has taken the change. Raises EdgeUnavailable."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((edit, mine))
        async with self._lock:
            if not mine.done():
                await self._flush()
        await mine

    async def _flush(self) -> None:
        await asyncio.sleep(0)  # let those who were woken by the same event join
        batch, self._waiting = self._waiting, []
        try:
            before = await self._edge.table()
            after = before
            for edit, _ in batch:
                after = edit(after)
            if after != before:
                await self._edge.apply(after)
        except BaseException as error:
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error) if isinstance(error, Exception) else waiting.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for _, waiting in batch:
            if not waiting.done():
                waiting.set_result(None)
