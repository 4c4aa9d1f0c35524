"""An edge in memory, for tests and trials. It can be taken away and given back, like a proxy that dies and restarts empty."""

from __future__ import annotations

from collections import Counter

from spin.errors import EdgeUnavailable
from spin.model.observed import Route


class SimulatedEdge:
    """Implements `spin.ports.edge.Edge`; `applied` keeps the owner and routes of every call that changed something, oldest first."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, tuple[Route, ...]]] = []
        self.reachable = True
        self.failed: Counter[str] = Counter()
        """Answers with status 5xx by host, until somebody asks."""
        self._table: dict[str, Route] = {}

    async def table(self) -> tuple[Route, ...]:
        self._answer()
        return tuple(self._table[host] for host in sorted(self._table))

    async def routes(self, owner: str) -> tuple[Route, ...]:
        return tuple(route for route in await self.table() if route.owner == owner)

    async def failures(self) -> dict[tuple[str, str], int]:
        self._answer()
        found = {(self._table[host].owner, host): count for host, count in self.failed.items() if host in self._table}
        self.failed.clear()
        return found

    async def set_routes(self, owner: str, routes: tuple[Route, ...]) -> None:
        before = await self.table()
        others = {route.host: route for route in before if route.owner != owner}
        self._table = {route.host: route for route in routes} | others
        if await self.table() != before:
            self.applied.append((owner, routes))

    def restart_empty(self) -> None:
        """What a proxy without stored configuration does when it is killed."""
        self._table = {}

    def _answer(self) -> None:
        if not self.reachable:
            raise EdgeUnavailable("The edge does not answer.")
