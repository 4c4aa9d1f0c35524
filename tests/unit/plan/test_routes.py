"""Host names, and the edge's table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spin.engines.simulated import Behaviour
from spin.model.observed import Phase, Route, Tables
from spin.model.stack import Http, ServiceSpec, StackSpec
from spin.model.steps import RouteTo, Unroute
from spin.plan import routes
from support.planned import DOMAIN, SITE, image, key_of
from support.worlds import World

WEB = ServiceSpec("web", image("web"), http=Http(8080), replicas=2)
HOST = "web.shop.development.example.org"
OWNER = str(key_of())


def settled(service: ServiceSpec = WEB) -> World:
    world = World(StackSpec((service,)))
    world.settle()
    return world


def table_of(world: World, *steps: RouteTo | Unroute) -> tuple[Route, ...]:
    return routes.lead(world.key, world.desired, world.observe(), world.tables, steps, SITE).routes


def addresses(world: World) -> list[str]:
    return sorted(str(i.address) for i in world.observe().instances)


def test_a_service_with_http_has_the_standard_name_and_its_own_ones() -> None:
    service = replace(WEB, name="Web_Front", http=Http(80, ("shop.example.com",)))
    assert routes.hosts_of(key_of(), service, DOMAIN) == ("web-front.shop.development.example.org", "shop.example.com")
    assert routes.hosts_of(key_of(), replace(WEB, http=None), DOMAIN) == ()


def test_urls_leave_out_the_usual_port() -> None:
    assert routes.urls_of(key_of(), WEB, DOMAIN) == (f"http://{HOST}/",)
    assert routes.urls_of(key_of(), WEB, DOMAIN, 8080) == (f"http://{HOST}:8080/",)
    assert routes.urls_of(key_of(), WEB, DOMAIN, 443, "https") == (f"https://{HOST}/",)


def test_each_host_leads_to_all_routed_containers_of_its_service() -> None:
    world = settled()
    first, second = addresses(world)
    assert world.tables.routes == (Route(HOST, OWNER, (f"{first}:8080", f"{second}:8080")),)


def test_unroute_takes_away_one_target_and_the_host_stays_when_the_last_one_has_gone() -> None:
    world = settled()
    a, b = world.observe().instances
    leave = [Unroute(i.id, i.name, "web", "") for i in (a, b)]
    assert table_of(world, leave[0]) == (Route(HOST, OWNER, (f"{b.address}:8080",)),)
    assert table_of(world, *leave) == (Route(HOST, OWNER, (), hold=True),), "two that are ready are about to be led to again"


def test_the_hosts_of_a_stopped_service_stay_and_those_of_a_removed_stack_go() -> None:
    world = settled()
    world.stop()
    world.settle()
    assert world.tables.routes == (Route(HOST, OWNER, ()),)
    world.remove()
    world.settle()
    assert world.tables.routes == ()


def test_targets_of_containers_that_are_gone_fall_away_without_a_step() -> None:
    world = settled()
    a, b = world.observe().instances
    world.engine.vanish(a.id)
    assert table_of(world) == (Route(HOST, OWNER, (f"{b.address}:8080",)),)


def test_a_container_that_ended_is_no_target_even_if_the_engine_still_knows_its_address() -> None:
    world = settled()
    seen = world.observe()
    ended, other = seen.instances
    seen = replace(seen, instances=(replace(ended, phase=Phase.EXITED), other))
    table = routes.lead(world.key, world.desired, seen, world.tables, (), SITE).routes
    assert table == (Route(HOST, OWNER, (f"{other.address}:8080",)),)


def test_another_host_is_served_at_once_and_a_host_that_is_not_wanted_any_more_falls_away() -> None:
    world = settled()
    before = world.plan().steps
    world.change("web", http=Http(8080, ("shop.example.com",)))
    assert before == world.plan().steps == ()
    assert {r.host for r in table_of(world)} == {HOST, "shop.example.com"}
    world.change("web", http=Http(8080))
    assert {r.host for r in table_of(world)} == {HOST}


def test_containers_of_the_earlier_template_keep_their_port_during_the_exchange() -> None:
    world = settled(replace(WEB, replicas=1))
    world.engine.behave("web", Behaviour(ready_after=timedelta(seconds=1)))
    world.change("web", http=Http(9000))
    targets = []
    for _ in range(12):
        targets += [r.targets for r in world.tables.routes if r.owner == OWNER and r.targets not in targets]
        world.settle_for(seconds=0.2)
    ports = [sorted(t.rpartition(":")[2] for t in found) for found in targets]
    assert ports == [["8080"], ["8080", "9000"], ["9000"]]


def test_an_address_that_passed_to_another_service_does_not_make_that_one_routed() -> None:
    world = World(StackSpec((WEB, replace(WEB, name="app"))))
    world.settle()
    stale = next(i.address for i in world.observe().instances if i.service == "app")
    world.tables = Tables((Route(HOST, OWNER, (f"{stale}:8080",)),))
    assert not any(i.routed for i in world.observe().instances)


def test_the_containers_of_a_removed_stack_are_known_to_be_routed_by_their_address() -> None:
    world = settled()
    world.remove()
    assert all(i.routed for i in world.observe().instances)


def test_addresses_of_the_newer_kind_are_written_with_brackets() -> None:
    world = settled(replace(WEB, replicas=1))
    seen = world.observe()
    seen = replace(seen, instances=tuple(replace(i, address="fd00::7", routed=False) for i in seen.instances))
    (one,) = seen.instances
    table = routes.lead(world.key, world.desired, seen, Tables(), (RouteTo(one.id, one.name, "web", ""),), SITE)
    assert table.routes == (Route(HOST, OWNER, ("[fd00::7]:8080",)),)
    assert all(i.routed for i in routes.mark_routed(world.key, world.desired, seen, table, SITE).instances)
