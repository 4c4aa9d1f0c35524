"""An upgrade from `up` to its end: kept containers, confirmation, rollback, the gate. Told by a controller in a simulated world."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spin.engines.simulated import Behaviour
from spin.model.observed import Instance, Phase
from spin.model.revision import Origin
from spin.model.stack import (
    Condition,
    Dependency,
    FailureAction,
    Http,
    Mount,
    Restart,
    ServiceSpec,
    StackSpec,
    Update,
    UpdateOrder,
    Volume,
)
from spin.model.status import State
from support.planned import image
from support.worlds import World

SECOND = timedelta(seconds=1)
WEB = ServiceSpec("web", image("web"), http=Http(8080))
API = ServiceSpec("api", image("api"), replicas=2)
DB = ServiceSpec("db", image("db"), mounts=(Mount("data", "/data"),))


def running(*services: ServiceSpec) -> World:
    """A stack that was brought up and works."""
    spec = StackSpec(tuple(sorted(services, key=lambda s: s.name)), volumes=(Volume("data"),))
    world = World(spec, keeping=True)
    world.settle()
    world.must_be_converged()
    return world


def ids(world: World, service: str, *, alive: bool = True) -> set[str]:
    return {i.id for i in instances(world, service) if i.alive == alive}


def instances(world: World, service: str) -> list[Instance]:
    return [i for i in world.observe().instances if i.service == service]


def state(world: World) -> State:
    return world.status().state


def test_the_first_up_has_nothing_to_confirm() -> None:
    world = running(WEB)
    assert world.deployment.upgrade is None
    assert state(world) is State.HEALTHY


def test_old_containers_are_kept_stopped_until_somebody_confirms() -> None:
    world = running(WEB, API)
    old = ids(world, "api")
    world.change("api", image=image("api", 2))
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED
    assert {s.service: s.state for s in world.status().services} == {"api": State.UPGRADED, "web": State.HEALTHY}
    assert ids(world, "api", alive=False) == old
    world.confirm()
    world.settle()
    world.must_be_converged()
    assert state(world) is State.HEALTHY
    assert ids(world, "api", alive=False) == set()


@pytest.mark.parametrize("service", [WEB, API, DB], ids=lambda s: s.name)
def test_a_rollback_runs_the_very_same_containers_again_and_removes_the_new_ones(service: ServiceSpec) -> None:
    world = running(service)
    old = ids(world, service.name)
    world.change(service.name, image=image(service.name, 2))
    world.settle()
    new = ids(world, service.name)
    world.roll_back()
    assert world.revision.origin is Origin.ROLLBACK
    assert world.revision.number == 3
    world.settle()
    world.must_be_converged()
    assert ids(world, service.name) == old
    assert new.isdisjoint(i.id for i in instances(world, service.name))
    assert state(world) is State.HEALTHY


def test_a_rollback_under_way_is_called_so() -> None:
    world = running(WEB)
    world.engine.behave("web", Behaviour(ready_after=SECOND))
    world.change("web", image=image("web", 2))
    world.settle()
    world.roll_back()
    world.do_plan()
    assert state(world) is State.ROLLING_BACK


def test_another_up_before_confirmation_keeps_what_was_confirmed_last() -> None:
    world = running(API)
    old = ids(world, "api")
    world.change("api", image=image("api", 2))
    world.settle()
    second = ids(world, "api")
    world.change("api", image=image("api", 3))
    world.settle()
    world.must_be_converged()
    assert ids(world, "api", alive=False) == old
    assert second.isdisjoint(i.id for i in instances(world, "api"))
    world.roll_back()
    world.settle()
    world.must_be_converged()
    assert ids(world, "api") == old


def test_a_rollback_in_the_middle_of_an_upgrade_and_scaling_before_it_end_where_the_base_was() -> None:
    world = running(API)
    old = ids(world, "api")
    world.engine.behave("api", Behaviour(ready_after=SECOND))
    world.change("api", image=image("api", 2))
    world.settle_for(seconds=1.5)
    world.scale("api", 5)
    world.settle_for(seconds=1.5)
    world.roll_back()
    world.settle()
    world.must_be_converged()
    assert ids(world, "api") == old


def test_a_service_that_left_the_file_is_kept_too_and_comes_back_with_a_rollback() -> None:
    world = running(WEB, API)
    old = ids(world, "api")
    world.up(replace(world.spec, services=(WEB,)))
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED
    assert [s.service for s in world.status().services] == ["web"]
    assert ids(world, "api", alive=False) == old
    world.roll_back()
    world.settle()
    world.must_be_converged()
    assert ids(world, "api") == old


def test_stop_start_scale_and_rm_work_while_an_upgrade_is_unconfirmed() -> None:
    world = running(API)
    old = ids(world, "api")
    world.change("api", image=image("api", 2))
    world.settle()
    world.stop()
    world.settle()
    world.must_be_converged()
    assert old <= {i.id for i in instances(world, "api")}
    world.clock.pass_by(60)
    world.start()
    world.scale("api", 3)
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED
    world.remove()
    world.settle()
    world.must_be_converged()


def test_a_job_that_had_ended_by_itself_is_not_run_again_by_a_rollback_and_one_that_was_stopped_is() -> None:
    once = ServiceSpec("job", image("job"), restart=Restart.NO)
    world = World(StackSpec((once,)), keeping=True)
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=SECOND))
    world.settle()
    (done,) = instances(world, "job")
    world.clock.pass_by(60)
    world.change("job", image=image("job", 2))
    world.settle()
    world.roll_back()
    world.settle()
    (again,) = instances(world, "job")
    assert (again.id, again.since) == (done.id, done.since)

    world = running(replace(WEB, restart=Restart.NO))
    old = ids(world, "web")
    world.change("web", image=image("web", 2))
    world.settle()
    world.roll_back()
    world.settle()
    assert ids(world, "web") == old


# What is in flight.


def test_an_old_container_drains_until_nothing_is_open_and_no_longer_than_its_grace() -> None:
    world = running(replace(WEB, stop_grace_ms=10_000))
    (old,) = instances(world, "web")
    world.engine.connect(old.id, 2)
    world.change("web", image=image("web", 2))
    world.settle_for(seconds=5)
    assert next(i for i in instances(world, "web") if i.id == old.id).phase is Phase.READY
    world.engine.connect(old.id, 0)
    world.settle_for(seconds=1)
    assert next(i for i in instances(world, "web") if i.id == old.id).phase is Phase.EXITED

    (old,) = (i for i in instances(world, "web") if i.alive)
    world.engine.connect(old.id, 1)
    world.confirm()
    world.change("web", image=image("web", 3))
    world.settle_for(seconds=9)
    assert next(i for i in instances(world, "web") if i.id == old.id).alive
    world.settle_for(seconds=4)
    assert not next(i for i in instances(world, "web") if i.id == old.id).alive


def test_stop_and_removal_by_a_person_do_not_wait_for_connections() -> None:
    world = running(WEB)
    (old,) = instances(world, "web")
    world.engine.connect(old.id, 2)
    world.stop()
    world.settle_for(seconds=0.5)
    assert not next(i for i in instances(world, "web")).alive


# The gate.


def broken(**how: object) -> Behaviour:
    return Behaviour(**how)  # type: ignore[arg-type]


BROKEN = {
    "unhealthy": (broken(ready_after=None, unhealthy_after=SECOND, probe_output="HTTP 500"), "shop-web-1 is unhealthy: HTTP 500"),
    "crashes": (broken(ready_after=None, exits_after=SECOND / 5, exit_code=1), "shop-web-1: exited with 1, restarted 3 times"),
    "memory": (broken(ready_after=None, exits_after=SECOND, out_of_memory=True), "shop-web-1: out of memory, restarted once"),
    "silence": (broken(ready_after=None), "nothing has moved for 600 s: starting"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_failed_upgrade_stops_by_itself_says_why_and_leaves_the_old_containers_serving(way: str) -> None:
    behaviour, reason = BROKEN[way]
    world = running(WEB)
    old = ids(world, "web")
    made = image("web", 2)
    world.engine.behave("web", behaviour, image=made.pinned)
    world.change("web", image=made)
    world.settle(passes=1500)
    world.must_be_converged()
    assert ids(world, "web") == old
    assert all(i.routed for i in instances(world, "web") if i.alive)
    assert world.progress is not None
    assert world.progress.failure is not None
    assert world.progress.failure.reason == reason
    seen = world.status()
    assert (seen.state, seen.services[0].ready) == (State.FAILED, 1)
    assert reason in seen.detail


@pytest.mark.parametrize("way", BROKEN)
def test_in_production_a_failed_upgrade_is_rolled_back_and_that_is_its_own_outcome(way: str) -> None:
    behaviour, reason = BROKEN[way]
    world = running(WEB, DB)
    world.roll_back_on_failure = True
    old = ids(world, "web")
    made = image("web", 2)
    world.engine.behave("web", behaviour, image=made.pinned)
    world.change("web", image=made)
    world.settle(passes=1500)
    world.must_be_converged()
    assert {i.id for i in instances(world, "web")} == old
    assert (world.revision.number, world.revision.origin, world.revision.note) == (3, Origin.ROLLBACK, reason)
    assert state(world) is State.HEALTHY
    assert world.deployment.upgrade is None


def test_a_failure_of_the_second_tier_takes_back_what_was_not_complete_and_leaves_what_was() -> None:
    api = replace(API, replicas=1)
    web = replace(WEB, depends_on=(Dependency("api", Condition.HEALTHY),))
    world = running(api, web)
    old = ids(world, "web")
    made = image("web", 2)
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=SECOND), image=made.pinned)
    world.up(world.spec.with_service(replace(web, image=made)).with_service(replace(api, image=image("api", 2))))
    world.settle()
    world.must_be_converged()
    assert world.progress is not None
    assert world.progress.failure is not None
    assert world.progress.failure.held == ("web",)
    assert ids(world, "web") == old
    assert {s.service: s.state for s in world.status().services} == {"api": State.UPGRADED, "web": State.FAILED}
    world.roll_back()
    world.settle()
    world.must_be_converged()
    assert state(world) is State.HEALTHY


def test_with_stop_first_the_old_container_is_started_again_when_the_new_one_fails() -> None:
    world = running(DB)
    old = ids(world, "db")
    made = image("db", 2)
    world.engine.behave("db", Behaviour(ready_after=None, unhealthy_after=SECOND), image=made.pinned)
    world.change("db", image=made)
    world.settle()
    world.must_be_converged()
    assert ids(world, "db") == old
    assert state(world) is State.FAILED


def test_after_a_failed_upgrade_another_up_goes_on_from_there() -> None:
    world = running(WEB)
    old = ids(world, "web")
    made = image("web", 2)
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=SECOND), image=made.pinned)
    world.change("web", image=made)
    world.settle()
    world.change("web", image=image("web", 3))
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED
    assert ids(world, "web", alive=False) == old


def test_failures_up_to_the_ratio_are_tolerated_and_tried_again() -> None:
    update = Update(max_failure_ratio=0.5)
    world = running(replace(WEB, replicas=2, update=update))
    world.change("web", image=image("web", 2))
    world.settle_for(seconds=1)
    sick = next(i for i in instances(world, "web") if i.alive and i.attempt == 1 and i.slot == 1)
    world.engine.sicken(sick.id)
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED


def test_continue_goes_on_trying() -> None:
    world = running(replace(WEB, update=Update(failure_action=FailureAction.CONTINUE)))
    made = image("web", 2)
    world.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=SECOND), image=made.pinned)
    world.change("web", image=made)
    world.settle_for(seconds=30)
    assert world.progress is not None
    assert world.progress.failure is None
    assert max(i.attempt for i in instances(world, "web")) > 1
    assert sum(i.routed for i in instances(world, "web")) == 1


# update_config.


def test_parallelism_exchanges_so_many_at_a_time() -> None:
    world = running(replace(API, replicas=4, update=Update(parallelism=2)))
    world.engine.behave("api", Behaviour(ready_after=SECOND))
    world.change("api", image=image("api", 2))
    most = 0
    for _ in range(60):
        world.do_plan()
        world.clock.pass_by(0.1)
        most = max(most, len(ids(world, "api")))
    assert most == 6
    world.settle()
    world.must_be_converged()


def test_delay_and_monitor_space_the_groups_out() -> None:
    update = Update(delay_ms=20_000, monitor_ms=10_000)
    world = running(replace(API, update=update))
    world.change("api", image=image("api", 2))
    world.settle_for(seconds=8)
    assert len(ids(world, "api")) == 3, "the old one is there until the new one has been watched"
    world.settle_for(seconds=10)
    assert len(ids(world, "api")) == 2
    assert sum(i.digest == world.desired.services[0].digest for i in instances(world, "api") if i.alive) == 1, "the delay"
    world.settle()
    world.must_be_converged()
    assert state(world) is State.UPGRADED


def test_a_crash_while_it_is_watched_counts_as_a_failure() -> None:
    world = running(replace(WEB, update=Update(monitor_ms=30_000)))
    old = ids(world, "web")
    made = image("web", 2)
    world.engine.behave("web", Behaviour(unhealthy_after=10 * SECOND), image=made.pinned)
    world.change("web", image=made)
    world.settle()
    world.must_be_converged()
    assert ids(world, "web") == old
    assert state(world) is State.FAILED


def test_stop_first_is_done_where_it_is_asked_for() -> None:
    world = running(replace(WEB, update=Update(order=UpdateOrder.STOP_FIRST)))
    world.change("web", image=image("web", 2))
    most = 0
    for _ in range(40):
        world.do_plan()
        world.clock.pass_by(0.1)
        most = max(most, len(ids(world, "web")))
    assert most == 1


def test_a_container_that_keeps_its_very_address_is_stopped_before_its_successor_starts() -> None:
    for addresses, order in ((False, UpdateOrder.STOP_FIRST), (True, UpdateOrder.START_FIRST)):
        world = World(StackSpec((replace(WEB, retain_ip=True),)), addresses=addresses)
        assert world.desired.services[0].order is order


# Healing.


def test_an_altered_container_is_replaced_start_first() -> None:
    world = running(WEB)
    (old,) = instances(world, "web")
    world.clock.pass_by(60)
    world.engine.alter(old.id, "renamed to x")
    world.settle()
    world.must_be_converged()
    assert old.id not in {i.id for i in instances(world, "web")}
    assert any("altered by hand: renamed to x" in line for line in world.done)


def test_a_network_that_somebody_removed_is_made_again() -> None:
    world = running(WEB, API)
    world.engine.forget_network(world.key, "default")
    world.clock.pass_by(60)
    world.settle()
    world.must_be_converged()
    assert world.observe().networks == ("default",)
