"""An edge in memory, for tests and trials. It can be taken away and given back, like a proxy that dies and restarts empty."""

from __future__ import annotations

from spin.errors import EdgeUnavailable
from spin.model.observed import Route


class SimulatedEdge:
    """Implements `spin.ports.edge.Edge`; `applied` keeps every table that was set, oldest first."""

    def __init__(self) -> None:
        self.applied: list[tuple[Route, ...]] = []
        self.reachable = True
        self._routes: tuple[Route, ...] = ()

    async def table(self) -> tuple[Route, ...]:
        self._answer()
        return self._routes

    async def apply(self, routes: tuple[Route, ...]) -> None:
        self._answer()
        self._routes = tuple(sorted(routes, key=lambda r: r.host))
        self.applied.append(self._routes)

    def restart_empty(self) -> None:
        """What a proxy without stored configuration does when it is killed."""
        self._routes = ()

    def _answer(self) -> None:
        if not self.reachable:
            raise EdgeUnavailable("The edge does not answer.")
