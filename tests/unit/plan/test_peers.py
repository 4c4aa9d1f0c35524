"""Which other services a container finds by their stable addresses."""

from __future__ import annotations

from dataclasses import replace

from spin.model.stack import Attachment, Network, ServiceSpec, StackSpec
from spin.model.steps import Peer
from support.planned import image
from support.worlds import World


def on(service: ServiceSpec, *networks: Attachment) -> ServiceSpec:
    return replace(service, networks=networks)


def peers(*services: ServiceSpec, networks: tuple[Network, ...] = ()) -> dict[str, tuple[Peer, ...]]:
    world = World(StackSpec(services, networks=networks), addresses=True)
    return {s.spec.name: s.peers for s in world.desired.services}


WEB, API, DB = (ServiceSpec(name=name, image=image(name)) for name in ("web", "api", "db"))
BACK, FRONT = Attachment("back"), Attachment("front")


def test_all_other_services_of_its_network_under_all_their_names_and_never_itself() -> None:
    found = peers(on(WEB, FRONT), on(API, Attachment("front", ("backend",))))
    assert [(p.network, p.names) for p in found["web"]] == [("front", ("api", "backend"))]
    assert [(p.network, p.names) for p in found["api"]] == [("front", ("web",))]


def test_on_each_of_its_networks_internal_or_not_in_its_own_order() -> None:
    networks = (Network("back", internal=True), Network("front"))
    found = peers(on(WEB, FRONT), on(API, FRONT, BACK), on(DB, BACK, FRONT), networks=networks)
    assert [(p.network, p.names) for p in found["api"]] == [("front", ("web",)), ("front", ("db",)), ("back", ("db",))]
    assert [(p.network, p.names) for p in found["db"]] == [("back", ("api",)), ("front", ("web",)), ("front", ("api",))]
    assert [(p.network, p.names) for p in found["web"]] == [("front", ("api",)), ("front", ("db",))]


def test_a_name_that_services_share_stays_with_the_engine_and_means_all_of_them() -> None:
    shared = Attachment("front", ("backend",))
    found = peers(on(WEB, FRONT), on(API, shared), on(DB, shared))
    assert [p.names for p in found["web"]] == [("api",), ("db",)]


def test_a_name_that_one_service_has_here_and_another_there_is_shared_for_who_is_on_both_networks() -> None:
    found = peers(on(WEB, FRONT), on(API, FRONT, BACK), on(DB, Attachment("back", ("web",))))
    assert [(p.network, p.names) for p in found["api"]] == [("back", ("db",))]
    assert [(p.network, p.names) for p in found["db"]] == [("back", ("api",))]
