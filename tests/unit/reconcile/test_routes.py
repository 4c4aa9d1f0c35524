"""The one writer of the edge's table."""

import asyncio

import pytest

from spin.edge.simulated import SimulatedEdge
from spin.errors import EdgeUnavailable
from spin.model.observed import Route
from spin.reconcile.routes import RouteWriter, Table


def adding(host: str) -> Route:
    return Route(host, "p/e/s", ("10.0.0.1:80",))


async def test_changes_that_come_together_become_one_call_and_none_is_lost() -> None:
    edge = SimulatedEdge()
    writer = RouteWriter(edge)
    hosts = [f"h{n:02}" for n in range(50)]
    await asyncio.gather(*(writer.change(lambda table, host=host: (*table, adding(host))) for host in hosts))
    assert [r.host for r in await edge.table()] == hosts
    assert len(edge.applied) < len(hosts) / 5


async def test_an_edit_that_changes_nothing_is_not_sent() -> None:
    edge = SimulatedEdge()
    await RouteWriter(edge).change(lambda table: table)
    assert edge.applied == []


async def test_an_edge_that_does_not_answer_fails_the_change_and_the_next_one_works() -> None:
    edge = SimulatedEdge()
    writer = RouteWriter(edge)
    edge.reachable = False
    with pytest.raises(EdgeUnavailable):
        await writer.change(lambda table: (*table, adding("a")))
    edge.reachable = True
    await writer.change(lambda table: (*table, adding("b")))
    assert [r.host for r in await edge.table()] == ["b"]


async def test_one_bad_edit_fails_its_batch_and_nothing_is_half_applied() -> None:
    edge = SimulatedEdge()
    writer = RouteWriter(edge)

    def bad(_table: Table) -> Table:
        raise ValueError("bad edit")

    results = await asyncio.gather(writer.change(lambda table: (*table, adding("a"))), writer.change(bad), return_exceptions=True)
    assert any(isinstance(r, ValueError) for r in results)
    assert all(len(table) <= 1 for table in edge.applied)


async def test_a_table_that_was_lost_is_read_afresh() -> None:
    edge = SimulatedEdge()
    writer = RouteWriter(edge)
    await writer.change(lambda table: (*table, adding("a")))
    edge.restart_empty()
    await writer.change(lambda table: (*table, adding("b")))
    assert [r.host for r in await edge.table()] == ["b"]
