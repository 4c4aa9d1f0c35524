"""The table changes while visitors are there; Caddy dies, comes back, and is found again."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from spin.edge import CaddyEdge, caddy_child
from spin.edge.caddy import admin_socket
from spin.errors import EdgeUnavailable, Failed
from spin.kit.ports import PortUnavailable
from spin.kit.processes import Supervisor
from spin.model.observed import Route
from spin.site import Site
from support.backends import Backend
from support.platform import free_ports
from support.processes import marked, soon

WEB = "web.shop.development.spin.localhost"
OWNER = "physics/development/shop"
OTHER = Route("other.example.org", "physics/development/other", ("127.0.0.1:9",))


def to(*backends: Backend) -> Route:
    return Route(WEB, OWNER, tuple(sorted(b.target for b in backends)))


async def test_a_stream_survives_changes_of_other_hosts(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        url = f"http://127.0.0.1:{front.port}/stream"
        async with front.visitors.stream("GET", url, headers={"Host": WEB}) as answer:
            lines = answer.aiter_lines()
            for others in ((OTHER,), ()):
                backend.lines.put_nowait(b"before\n")
                assert await anext(lines) == "before"
                await front.edge.set_routes(OTHER.owner, others)
                backend.lines.put_nowait(b"after\n")
                assert await asyncio.wait_for(anext(lines), 5) == "after"
            backend.lines.put_nowait(None)
            assert [line async for line in lines] == []


async def websocket(front) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upgraded connection; at the second try where Caddy took over its table between accepting the first one and reading it."""
    for last in (False, True):
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(f"GET /ws HTTP/1.1\r\nHost: {WEB}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
        try:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            if last:
                raise
        else:
            return reader, writer
    raise AssertionError


async def test_a_websocket_survives_changes_of_other_hosts_and_the_removal_of_its_own(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        reader, writer = await websocket(front)
        for owner, routes in ((OTHER.owner, (OTHER,)), (OWNER, ()), (OTHER.owner, ())):
            await front.edge.set_routes(owner, routes)
            writer.write(b"still there?")
            assert await asyncio.wait_for(reader.readexactly(12), 5) == b"still there?"
        writer.close()
        await writer.wait_closed()


async def test_visitors_come_through_while_hosts_come_and_go_all_the_time(front):
    """Each change costs a visitor one more try at most: a connection that Caddy has accepted and not read from ends unanswered."""
    changes = 20
    done = asyncio.Event()
    visits: list[int] = []
    repeats: list[int] = []

    async def visit() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {WEB}\r\nConnection: close\r\n\r\n".encode())
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def keep_visiting() -> None:
        mine = 0
        while not done.is_set():
            while not (answer := await visit()):
                mine += 1
            assert answer.startswith(b"HTTP/1.1 200 ")
            visits.append(mine)
        repeats.append(mine)

    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(keep_visiting())
            for turn in range(changes):
                await front.edge.set_routes(OTHER.owner, (OTHER,) if turn % 2 == 0 else ())
            done.set()
    assert max(repeats) <= changes
    assert len(visits) > 20


@pytest.mark.parametrize(
    "bad",
    [
        Route("{env.HOME}", OWNER, ("127.0.0.1:9",)),
        Route("*.example.org", OWNER, ("127.0.0.1:9",)),
        Route("a b", OWNER, ("127.0.0.1:9",)),
        Route("", OWNER, ("127.0.0.1:9",)),
        Route("../up.example.org", OWNER, ("127.0.0.1:9",)),
        Route("ok.example.org", "{owner}", ("127.0.0.1:9",)),
        Route("ok.example.org", OTHER.owner, ("127.0.0.1:9",)),
    ],
    ids=str,
)
async def test_a_route_that_cannot_be_does_not_harm_the_others(front, bad):
    async with Backend("good") as good:
        await front.edge.set_routes(OWNER, (bad, to(good)))
        assert await front.edge.table() == (to(good),)
        assert await front.name(WEB) == "good"


@pytest.mark.parametrize(
    "target", ["{env.HOME}:80", "unix//var/run/docker.sock", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:80-90", "web:80"]
)
async def test_only_addresses_with_a_port_become_targets(front, target):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, (target,)),))
    assert await front.edge.table() == (Route(WEB, OWNER, ()),)
    assert (await front.get(WEB)).status_code == 503


async def test_an_owner_that_cannot_be_gets_nothing(front):
    await front.edge.set_routes("{env.HOME}", (Route(WEB, "{env.HOME}", ("127.0.0.1:9",)),))
    assert await front.edge.table() == ()


async def test_a_change_that_another_writer_made_is_noticed(front):
    async with Backend() as backend, CaddyEdge(front.directory) as another:
        await front.edge.set_routes(OWNER, (to(backend),))
        await another.set_routes(OTHER.owner, (OTHER,))
        assert await front.edge.routes(OTHER.owner) == (OTHER,)
        await another.set_routes(OTHER.owner, ())
        await front.edge.set_routes(OWNER, (to(backend),))
        assert await another.table() == (to(backend),)


async def test_a_change_is_made_though_its_caller_gives_up_and_harms_no_other(front):
    first = asyncio.create_task(front.edge.set_routes(OTHER.owner, (OTHER,)))
    async with Backend() as backend:
        second = asyncio.create_task(front.edge.set_routes(OWNER, (to(backend),)))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert await front.edge.table() == (OTHER, to(backend))


async def test_a_caddy_that_was_killed_serves_the_same_table_as_soon_as_it_is_back(front):
    async with Backend("old") as old, Backend("new") as new:
        await front.edge.set_routes(OWNER, (to(old),))
        await front.edge.set_routes(OWNER, (to(new),))
        os.kill(front.supervisor.pid, signal.SIGKILL)
        await soon(lambda: front.supervisor.restarts == 1, "Caddy again")
        assert await front.name(WEB) == "new"
        assert await front.edge.table() == (to(new),)


async def test_a_platform_that_starts_again_finds_the_table_that_was_last(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        await front.supervisor.stop()
        async with Supervisor(caddy_child(front.site, front.directory)) as another:
            assert not another.adopted
            assert await front.edge.table() == (to(backend),)
            assert await front.name(WEB) == "backend"


@pytest.mark.parametrize("left", ["", "{", '{"apps": 1}', "\xff"])
async def test_a_stored_configuration_that_is_none_means_an_empty_table(front, left):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()),))
    await front.supervisor.stop()
    (front.directory / "caddy.json").write_bytes(left.encode("latin-1"))
    async with Supervisor(caddy_child(front.site, front.directory)):
        assert await front.edge.table() == ()
        await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()),))
        assert (await front.get(WEB)).status_code == 503


async def test_a_caddy_that_outlived_its_supervisor_is_found_with_its_table(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        child = caddy_child(front.site, front.directory)
        front.supervisor._watch.cancel()  # as if it had been killed: nobody looks after Caddy now
        front.supervisor._release_lock()
        async with Supervisor(child) as another:
            assert another.adopted
            assert await front.edge.table() == (to(backend),)
            assert await front.name(WEB) == "backend"


async def test_an_edge_that_is_away_is_unavailable_not_empty(workplace):
    async with CaddyEdge(workplace) as edge:
        with pytest.raises(EdgeUnavailable, match="does not answer"):
            await edge.table()
        with pytest.raises(EdgeUnavailable, match="does not answer"):
            await edge.routes(OWNER)
        with pytest.raises(EdgeUnavailable, match="does not answer"):
            await edge.set_routes(OWNER, ())


async def test_a_taken_port_is_reported_by_name_and_number(workplace):
    async with Backend() as squatter:
        with pytest.raises(
            PortUnavailable, match=rf"Port {squatter.port} of 127.0.0.1, wanted for the edge, is taken by process {os.getpid()} "
        ):
            await Supervisor(caddy_child(Site(edge_port=squatter.port), workplace)).start()


def test_a_directory_with_too_long_a_path_is_refused_in_words(workplace):
    with pytest.raises(Failed, match="too long for a unix socket"):
        caddy_child(Site(), workplace / ("x" * 100))


async def test_the_admin_api_is_for_its_owner_only(front):
    assert oct(admin_socket(front.directory).stat().st_mode & 0o777) == "0o600"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", 2019)
    answer = await front.get(WEB, "/config/")
    assert answer.status_code == 404


async def test_everything_that_caddy_writes_is_in_its_directory_and_its_end_leaves_no_process(workplace):
    async with Supervisor(caddy_child(Site(edge_port=free_ports(1)[0]), workplace)) as supervisor:
        environment = (workplace / "/proc" / str(supervisor.pid) / "environ").read_bytes()
        assert f"HOME={workplace}".encode() in environment
    assert marked(workplace) == []
    assert {path.name for path in workplace.iterdir()} <= {
        "boot",
        "caddy.json",
        "edge.lock",
        "edge.log",
        "failed.log",
        "storage",
        "caddy",
        "admin.sock",
        "none.sock",
    }
