from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from spin.edge import CaddyEdge, caddy_child
from spin.kit.processes import Supervisor
from spin.site import Site
from support.platform import free_ports
from support.processes import workplace

AT_ONCE = 0.1
"""Seconds within which a request cannot have got to a backend that takes its time."""

__all__ = ["workplace"]


@dataclass
class Front:
    """A running edge and a visitor."""

    edge: CaddyEdge
    supervisor: Supervisor
    site: Site
    directory: Path
    visitors: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=20))

    @property
    def port(self) -> int:
        return self.site.edge_port

    async def get(self, host: str, path: str = "/", **more) -> httpx.Response:
        """Asked again where the connection ended at once: Caddy had accepted it, and not read from it, when its table changed."""
        headers = {"Host": host, **more.pop("headers", {})}
        begun = time.monotonic()
        try:
            return await self.visitors.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, **more)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            if time.monotonic() - begun > AT_ONCE:
                raise  # it was under way: that must not happen
        return await self.visitors.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, **more)

    async def name(self, host: str) -> str:
        """Which backend answers."""
        answer = await self.get(host)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-name"]


@pytest.fixture
async def front(workplace: Path) -> AsyncIterator[Front]:
    site = Site(edge_port=free_ports(1)[0])
    async with (
        Supervisor(caddy_child(site, workplace)) as supervisor,
        CaddyEdge(workplace) as edge,
    ):
        front = Front(edge, supervisor, site, workplace)
        async with front.visitors:
            yield front
