"""The simulated engine is as strict as a real one, and as truthful."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from spin.engines.simulated import Behaviour, Fault, SimulatedEngine
from spin.errors import EngineUnavailable, Failed, NotFound
from spin.model.log import Span, stamp
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Instance, Phase
from spin.model.stack import Config, Grant, Mount, Network, Port, Restart, ServiceSpec, StackSpec, Volume
from spin.model.steps import (
    Create,
    DeliverFiles,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    Remove,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    Start,
    Stop,
)
from spin.ports.engine import Engine
from support.planned import SettableClock, image, key_of, run
from support.worlds import World

KEY = key_of()
API = ServiceSpec("api", image("api"), mounts=(Mount("data", "/data"),))
DIGEST = "d" * 64


class Contents:
    async def secret(self, key: DeploymentKey, stored: str, version: int) -> bytes:
        if stored != "shop.password":
            raise NotFound(stored)
        return f"{key.stack} {version}".encode()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def engine(clock: SettableClock) -> SimulatedEngine:
    return SimulatedEngine(clock, contents=Contents())


def supplied(engine: SimulatedEngine) -> SimulatedEngine:
    for step in (PullImage(API.image.pinned, ""), EnsureNetwork(Network("default"), ""), EnsureVolume(Volume("data"), "")):
        run(engine.execute(KEY, step))
    return engine


def only(engine: SimulatedEngine) -> Instance:
    (one,) = run(engine.observe(KEY)).instances
    return one


def created(engine: SimulatedEngine, spec: ServiceSpec = API, attempt: int = 1) -> Instance:
    run(supplied(engine).execute(KEY, Create(spec, DIGEST, 1, attempt, "")))
    return next(i for i in run(engine.observe(KEY)).instances if i.attempt == attempt)


def started(engine: SimulatedEngine, spec: ServiceSpec = API) -> Instance:
    one = created(engine, spec)
    run(engine.execute(KEY, Start(one.id, one.name, "")))
    return only(engine)


def test_it_keeps_the_port(engine: SimulatedEngine) -> None:
    port: Engine = engine
    assert port.capabilities.kind == "simulated"


def test_create_needs_image_network_volume_and_files(engine: SimulatedEngine) -> None:
    spec = replace(API, configs=(Grant("settings", "/settings"),))
    with pytest.raises(Failed, match=r"without image .*, network default, volume data, its files"):
        run(engine.execute(KEY, Create(spec, DIGEST, 1, 1, "")))
    assert run(engine.observe(KEY)).instances == ()


def test_create_is_idempotent_by_name_and_another_attempt_is_another_container(engine: SimulatedEngine) -> None:
    created(engine)
    created(engine)
    created(engine, attempt=2)
    assert [i.attempt for i in run(engine.observe(KEY)).instances] == [1, 2]


def test_a_container_is_created_starting_ready_and_then_exited(engine: SimulatedEngine, clock: SettableClock) -> None:
    one = created(engine)
    assert (one.phase, one.address) == (Phase.CREATED, None)
    run(engine.execute(KEY, Start(one.id, one.name, "")))
    assert only(engine).phase is Phase.STARTING
    clock.pass_by(0.5)
    assert (only(engine).phase, only(engine).address) == (Phase.READY, "10.208.0.2")
    run(engine.execute(KEY, Stop(one.id, one.name, 10_000, "")))
    ended = only(engine)
    assert (ended.phase, ended.exit_code, ended.since, ended.address) == (Phase.EXITED, 143, clock.now(), None)


def test_start_of_a_running_and_stop_of_an_ended_container_change_nothing(engine: SimulatedEngine, clock: SettableClock) -> None:
    one = started(engine)
    clock.pass_by(3)
    run(engine.execute(KEY, Start(one.id, one.name, "")))
    assert only(engine).since == one.since
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    ended = only(engine)
    clock.pass_by(3)
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    assert only(engine) == ended


def test_what_is_not_there_cannot_be_started_but_is_stopped_and_removed_already(engine: SimulatedEngine) -> None:
    nobody = InstanceId("nobody")
    with pytest.raises(Failed, match="no such container"):
        run(engine.execute(KEY, Start(nobody, "nobody", "")))
    run(engine.execute(KEY, Stop(nobody, "nobody", 0, "")))
    run(engine.execute(KEY, Remove(nobody, "nobody", "")))


def test_nothing_is_done_to_the_containers_of_another_deployment(engine: SimulatedEngine) -> None:
    one = started(engine)
    other = key_of("other")
    for step in (Stop(one.id, one.name, 0, ""), Remove(one.id, one.name, "")):
        run(engine.execute(other, step))
    assert only(engine) == one
    assert run(engine.observe(other)).instances == ()


def test_what_runs_cannot_be_removed_and_what_is_used_neither(engine: SimulatedEngine) -> None:
    one = started(engine)
    for step in (Remove(one.id, one.name, ""), RemoveNetwork("default", ""), RemoveVolume("data", "")):
        with pytest.raises(Failed):
            run(engine.execute(KEY, step))
    run(engine.execute(KEY, Stop(one.id, one.name, 0, "")))
    for step in (Remove(one.id, one.name, ""), RemoveNetwork("default", ""), RemoveVolume("data", "")):
        run(engine.execute(KEY, step))
        run(engine.execute(KEY, step))
    assert run(engine.keys()) == frozenset()
    assert run(engine.volumes("project")) == ()


def test_files_carry_configs_and_secrets_and_go_when_asked(engine: SimulatedEngine) -> None:
    run(engine.execute(KEY, PullImage(API.image.pinned, "")))
    configs = ((Grant("settings", "/settings"), Config("settings", b"level=1")),)
    secrets = ((Grant("password", "/run/secrets/password"), "shop.password", 3),)
    run(engine.execute(KEY, DeliverFiles("api", DIGEST, API.image.pinned, configs, secrets, "")))
    assert engine.delivered[KEY, "api", DIGEST] == {"/settings": b"level=1", "/run/secrets/password": b"shop 3"}
    assert run(engine.observe(KEY)).files == (("api", DIGEST),)
    run(engine.execute(KEY, RemoveFiles("api", DIGEST, "")))
    assert run(engine.observe(KEY)).files == ()


def test_a_slow_container_ends_when_it_is_done_and_is_killed_when_its_grace_is_over(
    engine: SimulatedEngine, clock: SettableClock
) -> None:
    engine.behave("api", Behaviour(stops_after=timedelta(seconds=5)))
    one = started(engine)
    clock.pass_by(1)
    run(engine.execute(KEY, Stop(one.id, one.name, 2000, "")))
    assert only(engine).phase is Phase.READY
    clock.pass_by(2)
    assert (only(engine).phase, only(engine).exit_code) == (Phase.EXITED, 137)


@pytest.mark.parametrize(
    ("restart", "limit", "code", "phase", "restarts"),
    [
        (Restart.NO, 0, 1, Phase.EXITED, 0),
        (Restart.ON_FAILURE, 0, 0, Phase.EXITED, 0),
        (Restart.ON_FAILURE, 2, 1, Phase.EXITED, 2),
        (Restart.ALWAYS, 0, 0, Phase.STARTING, 4),
        (Restart.UNLESS_STOPPED, 0, 1, Phase.STARTING, 4),
    ],
)
def test_the_engine_restarts_what_crashed_by_its_policy_and_ever_more_slowly(
    engine: SimulatedEngine, clock: SettableClock, restart: Restart, limit: int, code: int, phase: Phase, restarts: int
) -> None:
    engine.behave("api", Behaviour(ready_after=None, exits_after=timedelta(seconds=1), exit_code=code))
    started(engine, replace(API, restart=restart, restart_limit=limit))
    clock.pass_by(5)
    one = only(engine)
    assert (one.phase, one.restarts, one.exit_code) == (phase, restarts, code)


def test_a_container_out_of_memory_says_so(engine: SimulatedEngine) -> None:
    one = started(engine, replace(API, restart=Restart.NO))
    engine.crash(one.id, out_of_memory=True)
    assert (only(engine).oom_killed, only(engine).exit_code) == (True, 137)


def test_sickness_hiding_halting_and_vanishing(engine: SimulatedEngine, clock: SettableClock) -> None:
    one = started(engine)
    clock.pass_by(1)
    engine.sicken(one.id, "HTTP 500")
    assert (only(engine).phase, only(engine).detail) == (Phase.UNHEALTHY, "HTTP 500")
    engine.heal(one.id)
    engine.hide(one.id, "no answer")
    assert (only(engine).phase, only(engine).detail) == (Phase.UNKNOWN, "no answer")
    engine.reveal(one.id)
    assert only(engine).phase is Phase.READY
    engine.halt(one.id)
    assert (only(engine).phase, only(engine).restarts) == (Phase.EXITED, 0)
    engine.vanish(one.id)
    assert run(engine.observe(KEY)).instances == ()


def test_a_published_port_is_held_by_one_running_container_only(engine: SimulatedEngine) -> None:
    spec = replace(API, ports=(Port(25, 8025),))
    engine.foreign_ports[Port(25, 8026)] = "postfix"
    first = started(engine, spec)
    run(engine.execute(KEY, Create(spec, DIGEST, 2, 1, "")))
    second = run(engine.observe(KEY)).instances[1]
    with pytest.raises(Failed, match=f"in use by {first.name}"):
        run(engine.execute(KEY, Start(second.id, second.name, "")))
    assert "8025/tcp is in use" in run(engine.observe(KEY)).instances[1].detail
    asked = (Port(25, 8025), Port(25, 8026), Port(25, 8027))
    assert run(engine.taken_ports(KEY, asked)) == ((asked[1], "postfix"),)
    assert run(engine.taken_ports(key_of("other"), asked)) == ((asked[0], first.name), (asked[1], "postfix"))


def test_faults_come_when_asked_for_and_only_then(engine: SimulatedEngine) -> None:
    supplied(engine)
    engine.fail(Create, message="disk full", service="api")
    engine.fail(Create, Fault.UNREACHABLE)
    engine.fail(Create, Fault.ANSWER_LOST)
    step = Create(API, DIGEST, 1, 1, "")
    with pytest.raises(Failed, match="disk full"):
        run(engine.execute(KEY, step))
    with pytest.raises(EngineUnavailable):
        run(engine.execute(KEY, step))
    assert run(engine.observe(KEY)).instances == ()
    with pytest.raises(EngineUnavailable):
        run(engine.execute(KEY, step))
    assert only(engine).phase is Phase.CREATED
    run(engine.execute(KEY, step))


def test_an_engine_that_is_gone_raises_everywhere_but_in_health(engine: SimulatedEngine) -> None:
    engine.reachable = False
    for call in (engine.observe(KEY), engine.keys(), engine.execute(KEY, PullImage("x", "")), engine.volumes("project")):
        with pytest.raises(EngineUnavailable):
            run(call)
    assert not run(engine.health()).reachable


def test_volumes_outlive_their_stack_and_belong_to_a_project(engine: SimulatedEngine) -> None:
    one = started(engine)
    (volume,) = run(engine.volumes("project"))
    assert (volume.key, volume.name, volume.used_by) == (KEY, "data", ("api",))
    assert run(engine.volumes("another")) == ()
    engine.vanish(one.id)
    assert run(engine.volumes("project"))[0].used_by == ()


async def test_logs_are_cut_per_container(engine: SimulatedEngine, clock: SettableClock) -> None:
    world = World(StackSpec((replace(API, replicas=2, mounts=()),)))
    world.settle()

    one, two = await world.engine.log_sources(world.key)
    assert (one.instance, two.instance, one.running) == ("shop-api-1", "shop-api-2", True)

    async def lines(span: Span) -> list[bytes]:
        return [text async for lines in world.engine.log(world.key, two.id, span) for _, _, text in lines]

    assert await lines(Span()) == [b"started", b"ready"]
    assert await lines(Span(tail=1)) == [b"ready"]
    assert await lines(Span(since=stamp(world.clock.now() + timedelta(seconds=1)))) == []


async def test_hints_name_deployments_that_were_changed_or_have_changed_by_themselves(
    engine: SimulatedEngine, clock: SettableClock
) -> None:
    hints = engine.hints()
    first = asyncio.ensure_future(anext(hints))
    await asyncio.sleep(0)
    one = started(engine)
    async with asyncio.timeout(5):
        assert await first == KEY
        clock.pass_by(1)
        assert await anext(hints) == KEY
        engine.reachable = False
        with pytest.raises(EngineUnavailable):
            await anext(hints)
    assert one.phase is Phase.STARTING
    await hints.aclose()


def test_what_another_engine_observed_can_be_taken_over(clock: SettableClock) -> None:
    world = World(StackSpec((replace(API, mounts=(), replicas=2),)))
    world.settle()
    seen = run(world.engine.observe(world.key))
    trial = SimulatedEngine(world.clock)
    trial.adopt(world.key, seen, {s.name: s for s in world.spec.services})
    copy = run(trial.observe(world.key))
    assert replace(copy, images=seen.images) == seen
