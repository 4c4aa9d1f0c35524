"""What Spin asks of the reverse proxy: list, compare, apply."""

from __future__ import annotations

from typing import Protocol

from spin.model.observed import Route


class Edge(Protocol):
    """The table of routes. Raises EdgeUnavailable when the proxy does not answer."""

    async def table(self) -> tuple[Route, ...]:
        """The routes in force now, sorted by host."""
        ...

    async def apply(self, routes: tuple[Route, ...]) -> None:
        """Make exactly `routes` the table, atomically; requests in flight are not disturbed."""
        ...
