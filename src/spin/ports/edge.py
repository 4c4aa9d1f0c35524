"""What Spin asks of the reverse proxy: look, compare, set. Each owner (a deployment's key as text) has routes of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spin.model.observed import Route


class Edge(Protocol):
    """The table of routes. Every method raises EdgeUnavailable when the proxy does not answer."""

    async def table(self) -> tuple[Route, ...]:
        """All routes in force now, sorted by host."""
        ...

    async def routes(self, owner: str) -> tuple[Route, ...]:
        """The owner's routes in force now, sorted by host. Costs the same however many others there are."""
        ...

    async def failures(self) -> Mapping[tuple[str, str], int]:
        """How many answers with status 5xx visitors got since this was asked last, by owner and host; about as many, where there
        were very many."""
        ...

    async def set_routes(self, owner: str, routes: tuple[Route, ...]) -> None:
        """Make exactly `routes` the owner's. A host that another owner holds stays theirs.

        When this returns, no request that comes in from now on goes to a target that is no longer named. Requests in flight, streams
        and connections of visitors are not disturbed as long as the owner's set of hosts stays the same.
        """
        ...
