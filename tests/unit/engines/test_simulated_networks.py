"""Networks, connections and mishaps on the simulated engine, and what it costs beside many other deployments."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Attachment, Network, Port, ServiceSpec
from spin.model.steps import Create, EnsureNetwork, Peer, Remove, RemoveNetwork, Start, Stop
from support.planned import SettableClock, image, key_of

T = TypeVar("T")
KEY = key_of()
DIGEST = "d" * 64
WEB = ServiceSpec("web", image("web"), networks=(Attachment("front"), Attachment("back")))


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def engine(clock: SettableClock) -> SimulatedEngine:
    engine = SimulatedEngine(clock)
    engine.images.add(WEB.image.pinned)
    return engine


def running(engine: SimulatedEngine, spec: ServiceSpec = WEB, *, key: DeploymentKey = KEY, slot: int = 1) -> Instance:
    for attachment in spec.networks:
        run(engine.execute(key, EnsureNetwork(Network(attachment.network), "")))
    run(engine.execute(key, Create(spec, DIGEST, slot, 1, "")))
    made = run(engine.observe(key)).instances[-1]
    run(engine.execute(key, Start(made.id, made.name, "")))
    return run(engine.observe(key)).instances[-1]


def only(engine: SimulatedEngine) -> Instance:
    (one,) = run(engine.observe(KEY)).instances
    return one


def test_a_container_that_runs_again_keeps_its_id_and_gets_fresh_addresses(engine: SimulatedEngine) -> None:
    first = running(engine)
    run(engine.execute(KEY, Stop(first.id, first.name, 0, "")))
    assert (only(engine).phase, only(engine).address, only(engine).addresses) == (Phase.EXITED, None, ())
    run(engine.execute(KEY, Start(first.id, first.name, "")))
    again = only(engine)
    assert (again.id, again.phase) == (first.id, Phase.STARTING)
    assert not set(again.addresses) & set(first.addresses)


def test_subnets_are_given_again_when_their_networks_are_gone_and_never_twice(engine: SimulatedEngine) -> None:
    keys = [key_of(f"s{n}") for n in range(5)]
    for key in keys:
        run(engine.execute(key, EnsureNetwork(Network("default"), "")))
    before = [run(engine.observe(key)).links[0].subnet for key in keys]
    assert len(set(before)) == 5
    assert all(ipaddress.ip_network(s).subnet_of(ipaddress.ip_network("10.208.0.0/14")) for s in before)
    run(engine.execute(keys[2], RemoveNetwork("default", "")))
    run(engine.execute(KEY, EnsureNetwork(Network("default"), "")))
    assert run(engine.observe(KEY)).links[0].subnet == before[2]


def test_a_service_on_no_network_has_no_address(engine: SimulatedEngine) -> None:
    assert (running(engine, replace(WEB, networks=())).address, only(engine).addresses) == (None, ())


def test_a_network_that_somebody_removed_alters_what_ran_on_it(engine: SimulatedEngine) -> None:
    one = running(engine)
    engine.forget_network(KEY, "front")
    seen = run(engine.observe(KEY))
    assert seen.networks == ("back",)
    assert (only(engine).altered, only(engine).address) == ("not on network front", dict(one.addresses)["back"])
    run(engine.execute(KEY, EnsureNetwork(Network("front"), "")))
    assert only(engine).altered == "not on network front", "made again, it is another network"
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    run(engine.execute(KEY, Start(one.id, one.name, "")))
    assert (only(engine).altered, len(only(engine).addresses)) == ("", 2)


def test_without_its_network_a_container_does_not_start(engine: SimulatedEngine) -> None:
    one = running(engine)
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    engine.forget_network(KEY, "back")
    assert only(engine).altered == ""
    with pytest.raises(Failed, match="no network back"):
        run(engine.execute(KEY, Start(one.id, one.name, "")))


def test_connections_are_as_they_were_set_until_the_container_ends(engine: SimulatedEngine) -> None:
    one = running(engine)
    assert one.connections == 0
    engine.connect(one.id, 3)
    assert only(engine).connections == 3
    engine.connect(one.id, None)
    assert only(engine).connections is None
    engine.connect(one.id, 3)
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    assert only(engine).connections == 0


def test_a_hand_edit_is_told_with_its_reason(engine: SimulatedEngine) -> None:
    before = run(engine.overview())
    one = running(engine)
    engine.alter(one.id, "renamed to x")
    assert only(engine).altered == "renamed to x"
    assert run(engine.overview()) != before


def test_peers_are_kept_with_the_container(engine: SimulatedEngine) -> None:
    running(engine)
    run(engine.execute(KEY, Create(WEB, DIGEST, 2, 1, "", (Peer("front", ("api",), 2),))))
    assert [c.peers for c in engine.containers(KEY)] == [(), (Peer("front", ("api",), 2),)]


def test_with_service_addresses_no_container_keeps_its_own(clock: SettableClock) -> None:
    engine = SimulatedEngine(clock, service_addresses=True)
    engine.images.add(WEB.image.pinned)
    assert engine.capabilities.service_addresses
    running(engine, replace(WEB, retain_ip=True))
    assert [c.kept for c in engine.containers(KEY)] == [{}]


def test_the_overview_changes_with_time_alone(engine: SimulatedEngine, clock: SettableClock) -> None:
    engine.behave("web", Behaviour(ready_after=timedelta(seconds=1), unhealthy_after=timedelta(seconds=5)))
    running(engine)
    seen = []
    for _ in range(8):
        seen.append(run(engine.overview())[KEY])
        clock.pass_by(1)
    assert len(set(seen)) == 3
    assert [a != b for a, b in pairwise(seen)] == [True, False, False, False, True, False, False]


async def test_all_listeners_hear_of_what_changes_with_time(engine: SimulatedEngine, clock: SettableClock) -> None:
    engine.behave("web", Behaviour(ready_after=timedelta(hours=1)))
    await asyncio.to_thread(running, engine)
    listeners = [engine.hints() for _ in range(2)]
    heard = [asyncio.ensure_future(anext(listener)) for listener in listeners]
    await asyncio.sleep(0.2)
    assert not any(h.done() for h in heard)
    clock.pass_by(3600)
    async with asyncio.timeout(5):
        assert await asyncio.gather(*heard) == [KEY, KEY]
    for listener in listeners:
        await listener.aclose()


def test_ports_are_free_again_when_their_container_is_gone(engine: SimulatedEngine) -> None:
    spec = replace(WEB, ports=(Port(80, 8025),))
    one = running(engine, spec)
    assert run(engine.taken_ports(key_of("other"), spec.ports)) == ((Port(80, 8025), one.name),)
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    run(engine.execute(KEY, Remove(one.id, one.name, "")))
    assert run(engine.taken_ports(key_of("other"), spec.ports)) == ()


def test_one_deployment_costs_the_same_beside_a_thousand() -> None:
    def cost(others: int) -> float:
        clock = SettableClock()
        engine = SimulatedEngine(clock)
        engine.images.add(WEB.image.pinned)

        async def fill() -> None:
            for number in range(others):
                key = key_of(f"s{number}")
                for attachment in WEB.networks:
                    await engine.execute(key, EnsureNetwork(Network(attachment.network), ""))
                await engine.execute(key, Create(WEB, DIGEST, 1, 1, ""))
                made = (await engine.observe(key)).instances[0]
                await engine.execute(key, Start(made.id, made.name, ""))

        async def look() -> Snapshot:
            seen = Snapshot()
            for _ in range(200):
                seen = await engine.observe(key_of("s5"))
            return seen

        run(fill())
        clock.pass_by(10)
        taken = []
        for _ in range(5):
            begun = time.process_time()
            assert len(run(look()).instances) == 1
            taken.append(time.process_time() - begun)
        return min(taken)

    assert cost(1000) < 2 * cost(10), "a scan of all would be some fifty times as dear"
