"""Caddy's admin API as the edge."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import httpx
import structlog

from spin.edge.render import ROUTES, normalise, read, render
from spin.errors import EdgeUnavailable
from spin.model.observed import Route

log = structlog.get_logger("spin.edge")

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
"""Seconds; a table of 1,000 hosts is in force after 0.2."""


def admin_socket(directory: Path) -> Path:
    """Where Caddy's admin API is, when `directory` is the edge's own: only its owner can reach it, and no container."""
    return directory / "admin.sock"


class CaddyEdge:
    """Implements `spin.ports.edge.Edge`. The table is the one in Caddy's running configuration. Close it in the end."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the one that `caddy_child` was given."""
        self._admin = admin_socket(directory)
        # Each change of its configuration makes Caddy replace its admin server: a connection kept open would be lost.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin), limits=limits)
        # On a unix socket Caddy checks neither the Host nor a missing Origin; the name is for its log.
        self._client = httpx.AsyncClient(transport=transport, base_url="http://edge", timeout=TIMEOUT, trust_env=False)
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def table(self) -> tuple[Route, ...]:
        """The routes in force now, sorted by host. Raises EdgeUnavailable."""
        answer = await self._call("GET")
        try:
            return read(answer.json())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise EdgeUnavailable(f"The edge answers with something that is not its table of routes ({error!r}).") from None

    async def apply(self, routes: tuple[Route, ...]) -> None:
        """Make `routes` the table, atomically. Requests in flight end as they began; the same table again is no change at all.

        Raises EdgeUnavailable.
        """
        wanted = normalise(routes)
        _complain(routes, wanted)
        async with self._lock:
            if await self.table() != wanted:
                await self._call("PATCH", render(wanted))

    async def _call(self, method: str, body: Any = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, ROUTES, json=body)
        except (httpx.HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise EdgeUnavailable(f"The edge does not answer on {self._admin} ({reason}).", socket=str(self._admin)) from None
        if answer.status_code != httpx.codes.OK:
            raise EdgeUnavailable(f"The edge refuses: {answer.text.strip()[:500]}", status=answer.status_code)
        return answer


def _complain(asked: Iterable[Route], wanted: Iterable[Route]) -> None:
    """Admission lets none of these through; if one comes all the same, it must not take the others' routes with it."""
    taken = {(r.host, r.owner): r for r in wanted}
    for route in asked:
        kept = taken.get((route.host, route.owner))
        if kept is None or len(kept.targets) < len(set(route.targets)):
            log.error("a route cannot be in force as it is", host=route.host, owner=route.owner, targets=route.targets)
