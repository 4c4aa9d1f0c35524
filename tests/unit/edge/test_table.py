"""The edge's table as a value, and as Caddy's configuration and back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from spin.edge.render import GROUP, configuration, read, render, stored
from spin.edge.table import FEWEST, PER_TARGET, Host, Table, clean, merge, slots_for, spread
from spin.model.observed import Route

SHOP, WIKI = "physics/development/shop", "physics/development/wiki"


def route(host: str, *targets: str, owner: str = SHOP) -> Route:
    return Route(host, owner, targets)


def table(*hosts: tuple[str, str, int]) -> Table:
    return Table(tuple(sorted((Host(*host) for host in hosts), key=lambda h: h.name)))


@pytest.mark.parametrize("number", range(1, 200))
def test_no_target_gets_half_more_than_its_due_and_every_one_gets_something(number):
    targets = tuple(f"10.0.0.{n}:80" for n in range(number))
    slots = slots_for(number)
    shares = Counter(spread(targets, slots))
    assert set(shares) == set(targets)
    assert min(shares.values()) >= PER_TARGET
    assert max(shares.values()) * number < 1.5 * slots
    if number <= 5:
        assert max(shares.values()) * number <= 1.08 * slots


def test_up_to_ten_targets_need_no_other_configuration():
    assert {slots_for(number) for number in range(11)} == {FEWEST}


def test_the_marker_is_the_tables_own():
    one = table(("a", SHOP, 20), ("b", SHOP, 20))
    assert one.marker == table(("b", SHOP, 20), ("a", SHOP, 20)).marker
    others = [table(), table(("a", SHOP, 20)), table(("a", SHOP, 20), ("b", WIKI, 20)), table(("a", SHOP, 20), ("b", SHOP, 80))]
    assert len({one.marker, *(other.marker for other in others)}) == 5


def test_where_no_set_of_hosts_differs_the_very_same_table_comes_back():
    before, _ = merge(Table(), {SHOP: (route("a", "10.0.0.1:80"),), WIKI: (route("w", owner=WIKI),)})
    after, held = merge(before, {SHOP: (wanted := (route("a", "10.0.0.2:80", "10.0.0.3:80"),))})
    assert after is before
    assert held == wanted


def test_a_host_keeps_its_upstreams_when_it_has_fewer_targets_again():
    many = route("a", *(f"10.0.0.{n}:80" for n in range(1, 12)))
    grown, _ = merge(Table(), {SHOP: (many,)})
    assert grown.hosts == (Host("a", SHOP, 80),)
    assert merge(grown, {SHOP: (route("a"),)})[0] is grown


def test_a_host_may_go_from_one_owner_to_another_in_one_change():
    before, _ = merge(Table(), {SHOP: (route("a"),)})
    for changes in ({SHOP: (), WIKI: (route("a", owner=WIKI),)}, {WIKI: (route("a", owner=WIKI),), SHOP: ()}):
        after, held = merge(before, changes)
        assert after.hosts == (Host("a", WIKI, FEWEST),)
        assert held == (route("a", owner=WIKI),)


def test_a_host_that_another_owner_keeps_stays_theirs_and_the_rest_of_the_change_is_made():
    before, _ = merge(Table(), {SHOP: (route("a"),)})
    after, held = merge(before, {WIKI: (route("a", owner=WIKI), route("b", owner=WIKI))})
    assert after.hosts == (Host("a", SHOP, FEWEST), Host("b", WIKI, FEWEST))
    assert held == (route("b", owner=WIKI),)


def test_routes_are_cleaned_host_by_host():
    routes = (route("b", "10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80", "web:80"), route("a"), route("A"), route("c", owner=WIKI))
    assert clean(SHOP, routes) == (route("a"), route("b", "10.0.0.1:80", "10.0.0.2:80"))


def test_a_table_is_read_back_from_its_configuration():
    hosts = [(f"h{n}.example.org", SHOP, 20) for n in range(2 * GROUP + 1)]
    whole = table(*hosts, ("localhost", WIKI, 20), ("deep.er.example.org", WIKI, 80), ("many.example.org", WIKI, 80))
    assert read(json.loads(json.dumps(render(whole)))) == whole
    assert stored(configuration(Path("/data/edge"), whole)) == whole


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"apps": {"http": {"servers": {"spin": {"routes": [{}]}}}}}'])
def test_what_is_no_stored_configuration_is_an_empty_table(text):
    assert stored(text) == Table()
