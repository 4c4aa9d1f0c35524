"""What every edge does: it keeps exactly the table it was given, and says so."""

from __future__ import annotations

import asyncio

import pytest

from spin.edge.simulated import SimulatedEdge
from spin.model.observed import Route
from spin.ports.edge import Edge


@pytest.fixture(params=["simulated", "caddy"])
def edge(request: pytest.FixtureRequest) -> Edge:
    return SimulatedEdge() if request.param == "simulated" else request.getfixturevalue("front").edge


def route(name: str, *targets: str, owner: str = "") -> Route:
    return Route(f"{name}.spin.localhost", owner or f"physics/development/{name}", targets)


async def test_a_new_edge_has_an_empty_table(edge):
    assert await edge.table() == ()


async def test_the_table_is_what_was_applied_sorted_by_host(edge):
    table = (route("web", "10.0.0.2:80", "10.0.0.3:80"), route("api", "[fd00::1]:8080"), route("empty"))
    await edge.apply(table)
    assert await edge.table() == tuple(sorted(table, key=lambda r: r.host))


async def test_a_later_table_replaces_the_earlier_one_whole(edge):
    await edge.apply((route("a", "10.0.0.2:80"), route("b", "10.0.0.3:80")))
    await edge.apply((route("b", "10.0.0.4:80"),))
    assert await edge.table() == (route("b", "10.0.0.4:80"),)
    await edge.apply(())
    assert await edge.table() == ()


async def test_a_thousand_hosts_are_kept_exactly(edge):
    table = tuple(route(f"web-{number:04d}", "10.0.0.2:80", "10.0.0.3:80") for number in range(1000))
    await edge.apply(table)
    assert await edge.table() == table


async def test_of_tables_applied_at_the_same_time_one_is_in_force_whole(edge):
    tables = [tuple(route(f"s{n}", f"10.0.{turn}.2:80") for n in range(12)) for turn in range(5)]
    await asyncio.gather(*(edge.apply(table) for table in tables))
    assert tuple(sorted(await edge.table(), key=lambda r: int(r.host[1:].split(".")[0]))) in tables
