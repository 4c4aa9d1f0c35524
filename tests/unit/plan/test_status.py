"""What people are told, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spin.engines.simulated import Behaviour
from spin.model.observed import Tables
from spin.model.stack import Condition, Dependency, Http, Port, Restart, ServiceSpec, StackSpec, Volume
from spin.model.status import ServiceStatus, State
from spin.plan import roll_up, status
from support.planned import image
from support.worlds import World

API = ServiceSpec("api", image("api"))
DB = ServiceSpec("db", image("db"))
WEB = ServiceSpec("web", image("web"), http=Http(8080))
JOB = ServiceSpec("job", image("job"), restart=Restart.NO)
SECOND = timedelta(seconds=1)


def world_of(*services: ServiceSpec) -> World:
    return World(StackSpec(services, volumes=(Volume("data"),)))


def told(world: World, service: str) -> tuple[str, str]:
    found = next(s for s in world.status().services if s.service == service)
    return found.state.value, found.detail


def sick(world: World, service: str, output: str) -> None:
    for instance in world.observe().instances:
        if instance.service == service:
            world.engine.sicken(instance.id, output)


def test_a_new_service_tells_each_stage_that_it_is_at() -> None:
    world = world_of(WEB)
    seen = [told(world, "web")]
    for _ in range(6):
        world.do_plan()
        if told(world, "web") != seen[-1]:
            seen.append(told(world, "web"))
        world.clock.pass_by(0.3)
    assert seen == [
        ("initializing", "fetching the image"),
        ("initializing", "being created"),
        ("initializing", "being started"),
        ("initializing", "starting"),
        ("healthy", ""),
    ]


def test_ready_is_not_healthy_before_the_edge_leads_there() -> None:
    world = world_of(WEB)
    world.settle()
    world.tables = Tables()
    assert told(world, "web") == ("initializing", "being added to the routes")


def test_those_that_wait_say_for_whom() -> None:
    world = world_of(DB, replace(API, depends_on=(Dependency("db", Condition.HEALTHY),)))
    world.engine.behave("db", Behaviour(ready_after=None))
    world.settle_for(seconds=5)
    assert told(world, "api") == ("initializing", "waiting for db to be healthy")


def test_those_that_wait_for_what_failed_for_good_have_failed_too() -> None:
    api = replace(API, depends_on=(Dependency("job", Condition.COMPLETED),))
    web = replace(WEB, depends_on=(Dependency("api", Condition.HEALTHY),))
    world = world_of(JOB, api, web)
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=SECOND, exit_code=3))
    world.settle()
    assert told(world, "job") == ("failed", "exited with 3")
    assert told(world, "api") == ("failed", "waiting for job, which failed: exited with 3")
    assert told(world, "web") == ("failed", "waiting for api to be healthy")
    now = world.status()
    assert (now.state, now.settled) == (State.FAILED, True)
    assert now.detail == "api: waiting for job, which failed: exited with 3"


def test_a_job_that_has_run_cannot_become_healthy() -> None:
    world = world_of(JOB, replace(API, depends_on=(Dependency("job", Condition.HEALTHY),)))
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=SECOND))
    world.settle()
    assert told(world, "api") == ("failed", "waiting for job, which has exited with 0")


def test_those_that_wait_for_what_was_stopped_say_so() -> None:
    world = world_of(DB, replace(API, depends_on=(Dependency("db"),)))
    world.stop("db")
    world.settle()
    assert told(world, "api")[1] == "waiting for db, which is stopped"


def test_a_job_that_is_done_is_completed() -> None:
    world = world_of(JOB)
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=SECOND))
    world.settle()
    assert (told(world, "job"), world.status().state) == (("completed", ""), State.COMPLETED)


def test_a_crash_loop_is_unhealthy_and_counts_the_restarts() -> None:
    world = world_of(API)
    world.engine.behave("api", Behaviour(ready_after=None, exits_after=SECOND / 5, exit_code=1))
    world.settle_for(seconds=3)
    assert told(world, "api") == ("unhealthy", "exited with 1, restarted 5 times")


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("exited with 1", "exited with 1"),
        ("no such file: /run.sh", "exited with 1: no such file: /run.sh"),
        ("", "exited with 1"),
    ],
)
def test_what_the_engine_says_of_an_end_is_added_unless_it_says_the_same(detail: str, said: str) -> None:
    world = world_of(JOB)
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=SECOND, exit_code=1))
    world.settle()
    seen = world.observe()
    seen = replace(seen, instances=tuple(replace(i, detail=detail) for i in seen.instances))
    assert status(world.desired, seen, world.clock.now()).services[0].detail == said


def test_out_of_memory_is_called_by_its_name() -> None:
    world = world_of(API)
    world.engine.behave("api", Behaviour(ready_after=None, exits_after=SECOND, out_of_memory=True))
    world.settle_for(seconds=2)
    assert told(world, "api") == ("unhealthy", "out of memory, restarted once")


def test_unhealthy_comes_with_the_probes_last_output() -> None:
    world = world_of(replace(API, replicas=3))
    world.settle()
    sick(world, "api", "HTTP 500")
    assert told(world, "api") == ("unhealthy", "unhealthy: HTTP 500 (3 of 3 containers)")


def test_one_sick_container_of_several_makes_a_service_degraded() -> None:
    world = world_of(replace(API, replicas=3))
    world.settle()
    world.engine.sicken(world.observe().instances[0].id, "HTTP 500")
    assert told(world, "api") == ("degraded", "unhealthy: HTTP 500 (1 of 3 containers)")


def test_an_upgrade_says_upgrading_until_the_last_earlier_container_is_gone() -> None:
    world = world_of(WEB)
    world.settle()
    world.change("web", image=image("web", 2))
    seen = set()
    while told(world, "web")[0] != "healthy":
        seen.add(told(world, "web"))
        world.do_plan()
        world.clock.pass_by(0.3)
    assert {state for state, _ in seen} == {"upgrading"}
    assert ("upgrading", "what is not needed any more is being removed") in seen
    world.must_be_converged()


def test_an_upgrade_that_does_not_succeed_says_that_earlier_containers_still_serve() -> None:
    world = world_of(WEB)
    world.settle()
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=SECOND), image=image("web", 2).pinned)
    world.change("web", image=image("web", 2))
    said = []
    for _ in range(20):
        world.settle_for(seconds=0.1)
        said += [t for t in (told(world, "web"),) if t not in said]
    assert said[-2:] == [
        ("degraded", "unhealthy: connection refused; earlier containers still serve"),
        ("degraded", "starting again, attempt 2; earlier containers still serve"),
    ]


def test_a_container_that_cannot_be_started_says_why() -> None:
    world = world_of(replace(API, ports=(Port(25, 8025),)))
    world.engine.foreign_ports[Port(25, 8025)] = "postfix"
    world.tolerant = True
    world.settle_for(seconds=0.5)
    assert told(world, "api") == ("unhealthy", "cannot be started: port 8025/tcp is in use by postfix")


def test_what_the_engine_cannot_tell_is_said_to_be_unknown() -> None:
    world = world_of(API)
    world.settle()
    world.engine.hide(world.observe().instances[0].id, "the engine removes it")
    assert told(world, "api") == ("unhealthy", "state unknown: the engine removes it")


def test_scaling_down_is_not_healthy_before_the_surplus_is_gone() -> None:
    world = world_of(replace(API, replicas=3))
    world.settle()
    world.scale("api", 1)
    assert told(world, "api")[0] == "upgrading"
    world.settle()
    assert told(world, "api") == ("healthy", "")


def test_stopping_and_stopped() -> None:
    world = world_of(API, WEB)
    world.settle()
    world.stop("api")
    assert told(world, "api") == ("stopping", "")
    world.settle()
    assert told(world, "api") == ("stopped", "")
    now = world.status()
    assert (now.state, now.detail, now.settled) == (State.DEGRADED, "api: stopped", True)
    world.stop("web")
    world.settle()
    assert world.status().state is State.STOPPED


def test_a_removal_counts_what_is_left_until_nothing_is() -> None:
    world = world_of(replace(API, replicas=2), WEB)
    world.settle()
    world.remove()
    now = world.status()
    assert (now.state, now.detail) == (State.REMOVING, "left: 3 containers, 1 network")
    assert {s.state for s in now.services} == {State.REMOVING}
    world.settle()
    assert world.status().state is State.REMOVED


def test_a_service_that_left_the_file_is_being_removed_and_its_stack_upgraded() -> None:
    world = world_of(API, WEB)
    world.settle()
    world.up(StackSpec((API,)))
    assert told(world, "web") == ("removing", "no longer part of the stack")
    assert world.status().state is State.UPGRADING


def test_containers_are_listed_by_the_names_that_people_know() -> None:
    world = world_of(WEB)
    world.settle()
    world.change("web", image=image("web", 2))
    (shown,) = world.status().instances
    assert (shown.name, shown.phase, shown.current, shown.routed) == ("shop-web-1", "ready", False, True)


def services(*states: State) -> list[ServiceStatus]:
    return [ServiceStatus(f"s{number}", state, 0, 1) for number, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "stack"),
    [
        ([], State.HEALTHY),
        ([State.HEALTHY, State.HEALTHY], State.HEALTHY),
        ([State.COMPLETED, State.COMPLETED], State.COMPLETED),
        ([State.COMPLETED, State.HEALTHY], State.HEALTHY),
        ([State.HEALTHY, State.INITIALIZING, State.UNHEALTHY], State.INITIALIZING),
        ([State.INITIALIZING, State.UPGRADING], State.UPGRADING),
        ([State.FAILED, State.INITIALIZING], State.INITIALIZING),
        ([State.FAILED, State.HEALTHY], State.FAILED),
        ([State.HEALTHY, State.UNHEALTHY], State.DEGRADED),
        ([State.DEGRADED], State.DEGRADED),
        ([State.UNHEALTHY, State.UNHEALTHY], State.UNHEALTHY),
        ([State.STOPPED, State.HEALTHY], State.DEGRADED),
        ([State.STOPPED, State.UNHEALTHY], State.UNHEALTHY),
        ([State.STOPPED, State.STOPPED], State.STOPPED),
        ([State.STOPPED, State.STOPPING], State.STOPPING),
    ],
    ids=lambda value: value.value if isinstance(value, State) else "+".join(s.value for s in value) or "nothing",
)
def test_the_stack_follows_from_its_services(states: list[State], stack: State) -> None:
    assert roll_up(services(*states))[0] is stack
