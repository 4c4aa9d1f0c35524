"""What every edge does: it keeps exactly the routes that each owner was given, and says so."""

from __future__ import annotations

import asyncio

import pytest

from spin.edge.simulated import SimulatedEdge
from spin.model.observed import Route
from spin.ports.edge import Edge

SHOP, WIKI = "physics/development/shop", "physics/development/wiki"


@pytest.fixture(params=["simulated", "caddy"])
def edge(request: pytest.FixtureRequest) -> Edge:
    return SimulatedEdge() if request.param == "simulated" else request.getfixturevalue("front").edge


def route(name: str, *targets: str, owner: str = SHOP) -> Route:
    return Route(f"{name}.spin.localhost", owner, targets)


async def test_a_new_edge_has_no_routes(edge):
    assert await edge.table() == ()
    assert await edge.routes(SHOP) == ()


async def test_an_owner_has_what_was_set_sorted_by_host(edge):
    routes = (route("web", "10.0.0.2:80", "10.0.0.3:80"), route("api", "[fd00::1]:8080"), route("empty"))
    await edge.set_routes(SHOP, routes)
    assert await edge.routes(SHOP) == tuple(sorted(routes, key=lambda r: r.host)) == await edge.table()
    assert await edge.routes(WIKI) == ()


async def test_later_routes_replace_the_earlier_ones_of_that_owner_alone(edge):
    await edge.set_routes(WIKI, (other := (route("wiki", "10.0.0.9:80", owner=WIKI),)))
    await edge.set_routes(SHOP, (route("a", "10.0.0.2:80"), route("b", "10.0.0.3:80")))
    await edge.set_routes(SHOP, (route("b", "10.0.0.4:80"),))
    assert await edge.routes(SHOP) == (route("b", "10.0.0.4:80"),)
    await edge.set_routes(SHOP, ())
    assert await edge.routes(SHOP) == ()
    assert await edge.table() == await edge.routes(WIKI) == other


async def test_a_host_stays_with_who_has_it_until_it_is_given_up(edge):
    mine, theirs = route("web", "10.0.0.2:80"), route("web", "10.0.0.3:80", owner=WIKI)
    more = route("wiki", "10.0.0.4:80", owner=WIKI)
    await edge.set_routes(SHOP, (mine,))
    await edge.set_routes(WIKI, (theirs, more))
    assert await edge.table() == (mine, more)
    await edge.set_routes(SHOP, ())
    await edge.set_routes(WIKI, (theirs, more))
    assert await edge.table() == (theirs, more)


@pytest.mark.parametrize("number", [1, 2, 5, 10, 11, 40, 41, 100])
async def test_any_number_of_targets_is_kept_up_and_down(edge, number):
    many = route("web", *sorted(f"10.0.0.{n}:80" for n in range(1, number + 1)))
    for wanted in (many, route("web", "10.0.0.1:80"), route("web"), many):
        await edge.set_routes(SHOP, (wanted,))
        assert await edge.routes(SHOP) == (wanted,)


async def test_a_thousand_hosts_are_kept_exactly(edge):
    table = tuple(route(f"web-{number:04d}", "10.0.0.2:80", "10.0.0.3:80") for number in range(1000))
    await edge.set_routes(SHOP, table)
    assert await edge.table() == table


async def test_changes_of_many_owners_at_the_same_time_are_all_made(edge):
    owners = [f"physics/development/s{number}" for number in range(20)]
    routes = {owner: (route(owner.rpartition("/")[2], "10.0.0.2:80", owner=owner),) for owner in owners}
    await asyncio.gather(*(edge.set_routes(owner, routes[owner]) for owner in owners))
    assert {owner: await edge.routes(owner) for owner in owners} == routes


async def test_of_changes_of_one_owner_at_the_same_time_the_last_is_in_force(edge):
    await asyncio.gather(*(edge.set_routes(SHOP, (route(f"s{turn}", "10.0.0.2:80"),)) for turn in range(5)))
    assert await edge.routes(SHOP) == (route("s4", "10.0.0.2:80"),)
