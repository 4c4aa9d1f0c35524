"""Caddy as the edge: its admin API for the table of hosts, files for where they lead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Self

import httpx
import structlog

from spin.edge.render import MARKER, ROUTES, admin_socket, configuration, is_marked, read, render
from spin.edge.table import Host, Table, clean, merge
from spin.edge.targets import TargetFiles
from spin.edge.visits import Failures
from spin.errors import EdgeUnavailable
from spin.model.observed import Route

log = structlog.get_logger("spin.edge")
P = ParamSpec("P")

TIMEOUT = httpx.Timeout(10.0, connect=2.0)
"""Seconds; a table of 1,000 hosts is in force after 0.2."""


def stored_configuration(directory: Path) -> Path:
    """What Caddy starts with: the table that was last in force, so that a Caddy that was killed serves again at once."""
    return directory / "caddy.json"


def store_configuration(directory: Path, table: Table) -> None:
    """Write it, whole or not at all, for the owner only."""
    new = directory / "caddy.json.new"
    new.touch(mode=0o600)
    new.write_text(configuration(directory, table))
    new.replace(stored_configuration(directory))


@dataclass(frozen=True, slots=True)
class _Change:
    owner: str
    routes: tuple[Route, ...]
    done: asyncio.Future[None]


class CaddyEdge:
    """Implements `spin.ports.edge.Edge`. Close it in the end.

    Hosts and owners are what Caddy's running configuration says. A copy is kept, and used as long as the configuration carries the
    marker of that very copy. Changes that come together become one change.
    """

    def __init__(self, directory: Path) -> None:
        """`directory` is the one that `caddy_child` was given."""
        self._directory = directory.absolute()
        self._admin = admin_socket(self._directory)
        # Each change of its configuration makes Caddy replace its admin server: a connection kept open would be lost.
        limits = httpx.Limits(max_keepalive_connections=0)
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin), limits=limits)
        # On a unix socket Caddy checks neither the Host nor a missing Origin; the name is for its log.
        self._client = httpx.AsyncClient(transport=transport, base_url="http://edge", timeout=TIMEOUT, trust_env=False)
        self._files = TargetFiles(self._directory)
        self._failures = Failures(self._directory)
        self._known = Table()
        self._waiting: list[_Change] = []
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Changes that were asked for are made first."""
        if self._writer is not None:
            await asyncio.wait({self._writer})
        await self._client.aclose()
        self._failures.close()

    async def table(self) -> tuple[Route, ...]:
        """All routes in force now, sorted by host. Raises EdgeUnavailable."""
        hosts = (await self._table()).hosts
        return await asyncio.to_thread(self._routes, hosts)

    async def routes(self, owner: str) -> tuple[Route, ...]:
        """The owner's routes in force now, sorted by host. Raises EdgeUnavailable."""
        return self._routes((await self._table()).by_owner.get(owner, ()))

    async def failures(self) -> dict[tuple[str, str], int]:
        """How many answers with status 5xx visitors got since this was asked last, by owner and host. Raises EdgeUnavailable."""
        known = (await self._table()).by_name
        try:
            counts = await asyncio.to_thread(self._failures.read)
        except OSError as error:
            raise EdgeUnavailable(f"The edge's files in {self._directory} cannot be read ({error.strerror}).") from None
        return {(known[host].owner, host): count for host, count in counts.items() if host in known}

    async def set_routes(self, owner: str, routes: tuple[Route, ...]) -> None:
        """Make `routes` the owner's. Only another set of hosts, or many more targets, cost a new configuration.

        Raises EdgeUnavailable. A change that was asked for is made, also when its caller is cancelled.
        """
        wanted = clean(owner, routes)
        _complain(routes, wanted)
        change = _Change(owner, wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(change)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="write the edge's table")
        await change.done

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # let those who were woken by the same event join
            batch, self._waiting = self._waiting, []
            try:
                await self._put({change.owner: change.routes for change in batch})
            except BaseException as error:
                for change in batch:
                    if not change.done.done():
                        change.done.set_exception(error) if isinstance(error, Exception) else change.done.cancel()
                if not isinstance(error, Exception):
                    raise
            else:
                for change in batch:
                    if not change.done.done():
                        change.done.set_result(None)

    async def _put(self, changes: dict[str, tuple[Route, ...]]) -> None:
        before = await self._table()
        after, held = merge(before, changes)
        _complain((route for routes in changes.values() for route in routes), held)
        await self._in_files(self._lead, after, held)  # first: a host is never in force without them
        if after is not before:
            await self._call("PATCH", ROUTES, render(after))
            self._known = after
            await self._in_files(self._store, after)

    async def _in_files(self, work: Callable[P, None], *args: P.args, **more: P.kwargs) -> None:
        try:
            await asyncio.to_thread(work, *args, **more)
        except OSError as error:
            raise EdgeUnavailable(f"The edge's files in {self._directory} cannot be written ({error.strerror}).") from None

    def _lead(self, table: Table, routes: Iterable[Route]) -> None:
        for route in routes:
            self._files.write(table.by_name[route.host], route)

    def _store(self, table: Table) -> None:
        store_configuration(self._directory, table)
        self._files.keep_only(frozenset(table.by_name))

    async def _table(self) -> Table:
        """The table in force: the copy if the marker is the copy's, else read anew."""
        if not is_marked((await self._call("GET", MARKER)).json(), self._known):
            answer = await self._call("GET", ROUTES)
            try:
                self._known = read(answer.json())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise EdgeUnavailable(f"The edge answers with something that is not its table of routes ({error!r}).") from None
        return self._known

    def _routes(self, hosts: Iterable[Host]) -> tuple[Route, ...]:
        return tuple(self._files.read(host) for host in hosts)

    async def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=body)
        except (httpx.HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise EdgeUnavailable(f"The edge does not answer on {self._admin} ({reason}).", socket=str(self._admin)) from None
        if answer.status_code != httpx.codes.OK:
            raise EdgeUnavailable(f"The edge refuses: {answer.text.strip()[:500]}", status=answer.status_code)
        return answer


def _complain(asked: Iterable[Route], granted: Iterable[Route]) -> None:
    """Admission lets none of these through; if one comes all the same, it must not take the others' routes with it."""
    kept = {(route.host, route.owner): route for route in granted}
    for route in asked:
        got = kept.get((route.host, route.owner))
        if got is None or len(got.targets) < len(set(route.targets)):
            log.error("a route cannot be in force as it is", host=route.host, owner=route.owner, targets=route.targets)
