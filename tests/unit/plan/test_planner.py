"""Rules of the planner that the stories do not show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from spin.engines.simulated import Behaviour, Fault
from spin.errors import Failed
from spin.model.observed import Phase, Tables
from spin.model.stack import (
    Attachment,
    Condition,
    Config,
    Dependency,
    Grant,
    Http,
    Mount,
    Network,
    Port,
    Restart,
    ServiceSpec,
    StackSpec,
    UpdateOrder,
    Volume,
)
from spin.model.steps import Create, PullImage, RouteTo, Start, Stop
from spin.plan import desire, plan, text
from support.planned import image
from support.worlds import World

API = ServiceSpec("api", image("api"))
WEB = ServiceSpec("web", image("web"), http=Http(8080))


def running(*services: ServiceSpec) -> World:
    world = World(StackSpec(services))
    world.settle()
    world.must_be_converged()
    return world


def texts(world: World) -> list[str]:
    return [text(s) for s in world.plan().steps]


def kinds(world: World) -> set[str]:
    return {type(s).__name__ for s in world.plan().steps}


def test_the_order_of_the_snapshot_does_not_matter() -> None:
    world = running(replace(API, replicas=3), WEB)
    world.change("api", image=image("api", 2), replicas=2)
    seen = world.observe()
    plans = {plan(world.desired, replace(seen, instances=order), world.clock.now()) for order in permutations(seen.instances)}
    assert len(plans) == 1


def test_what_is_unknown_is_left_alone_and_not_doubled() -> None:
    world = running(API)
    world.engine.hide(world.observe().instances[0].id)
    assert texts(world) == []
    world.change("api", image=image("api", 2))
    world.settle()
    assert [i.phase for i in world.observe().instances] == [Phase.UNKNOWN, Phase.READY]


def test_an_unknown_container_of_a_stop_first_service_keeps_its_successor_from_starting() -> None:
    world = running(ServiceSpec("db", image("db"), mounts=(Mount("data", "/data"),)))
    world.engine.hide(world.observe().instances[0].id)
    world.change("db", image=image("db", 2))
    world.settle()
    assert {i.phase for i in world.observe().instances} == {Phase.UNKNOWN, Phase.CREATED}


def test_old_containers_get_their_routes_back_when_the_edge_forgets_them_in_the_midst_of_an_upgrade() -> None:
    world = running(WEB)
    world.engine.behave("web", Behaviour(ready_after=None))
    world.change("web", image=image("web", 2))
    world.settle_for(seconds=5)
    world.tables = Tables()
    (step,) = world.plan().steps
    assert isinstance(step, RouteTo)
    assert step.cause == "ready, and still needed"
    world.settle_for(seconds=5)
    assert sum(i.routed for i in world.observe().instances) == 1


def test_an_image_that_went_missing_does_not_matter_while_nothing_has_to_be_created() -> None:
    world = running(API)
    world.engine.images.clear()
    assert texts(world) == []
    world.scale("api", 2)
    assert kinds(world) == {"PullImage"}


def test_an_image_is_pulled_once_for_all_services_that_need_it() -> None:
    world = World(StackSpec((API, replace(API, name="worker"))))
    assert [s.cause for s in world.plan().steps if isinstance(s, PullImage)] == ["for api, worker"]


def test_files_are_delivered_before_the_container_that_mounts_them_is_created_and_go_after_the_last_one() -> None:
    service = replace(API, configs=(Grant("settings", "/settings"),))
    world = World(StackSpec((service,), configs=(Config("settings", b"1"),)))
    world.settle()
    first = world.observe().files
    world.up(replace(world.spec, configs=(Config("settings", b"2"),)))
    story = world.settle()
    assert [line.split()[0] for line in story] == ["deliver", "create", "start", "stop", "remove", "remove"]
    assert len(first) == 1
    assert set(world.observe().files).isdisjoint(first)


def test_files_that_vanish_below_running_containers_are_delivered_again_so_that_they_can_be_restarted() -> None:
    world = World(StackSpec((replace(API, configs=(Grant("settings", "/settings"),)),), configs=(Config("settings", b"1"),)))
    world.settle()
    before = world.observe()
    world.engine._held[world.key].files.clear()
    assert kinds(world) == {"DeliverFiles"}
    world.settle()
    assert (world.observe().instances, world.observe().files) == (before.instances, before.files)
    world.scale("api", 0)
    world.settle()
    world.engine._held[world.key].files.clear()
    assert texts(world) == []


def test_a_network_that_left_the_stack_goes_when_no_earlier_container_is_left() -> None:
    both = (Attachment("back"), Attachment("default"))
    world = World(StackSpec((replace(API, networks=both),), networks=(Network("back"), Network("default"))))
    world.settle()
    assert world.observe().networks == ("back", "default")
    world.up(StackSpec((API,)))
    assert world.settle()[-1] == "remove network back -- no container is attached to it any more"
    assert world.observe().networks == ("default",)


def test_a_stack_that_is_stopped_before_it_ever_ran_makes_nothing() -> None:
    world = World(StackSpec((API, WEB)))
    world.stop()
    assert texts(world) == []


def test_scaling_to_nothing_removes_all_containers() -> None:
    world = running(replace(WEB, replicas=2))
    world.scale("web", 0)
    world.settle()
    world.must_be_converged()
    assert world.observe().instances == ()


def test_dependencies_gate_the_first_start_only() -> None:
    world = running(ServiceSpec("db", image("db")), replace(API, depends_on=(Dependency("db", Condition.HEALTHY),)))
    world.stop("db")
    world.settle()
    world.scale("api", 2)
    world.settle()
    assert sum(i.phase is Phase.READY for i in world.observe().instances if i.service == "api") == 2


def test_healthy_means_as_many_as_the_roll_out_has_to_keep() -> None:
    world = World(
        StackSpec((replace(API, depends_on=(Dependency("db", Condition.HEALTHY),)), ServiceSpec("db", image("db"), replicas=3)))
    )
    world.settle_for(seconds=0.3)
    db = [i for i in world.observe().instances if i.service == "db"]
    world.engine.sicken(db[0].id)
    world.engine.fail(Create, service="db", times=None)
    world.settle_for(seconds=5)
    assert [i.phase for i in world.observe().instances if i.service == "api"] == [Phase.CREATED]
    world.engine.heal(db[0].id)
    world.settle_for(seconds=1)
    assert [i.phase for i in world.observe().instances if i.service == "api"] == [Phase.READY]


def test_an_unknown_container_that_is_not_wanted_any_more_is_left_alone_too() -> None:
    world = running(replace(WEB, replicas=2))
    world.engine.hide(next(i.id for i in world.observe().instances if i.slot == 2))
    world.scale("web", 1)
    assert texts(world) == []
    world.stop("web")
    world.settle()
    assert {i.slot: i.phase for i in world.observe().instances} == {1: Phase.EXITED, 2: Phase.UNKNOWN}
    world.remove()
    world.settle()
    assert [i.phase for i in world.observe().instances] == [Phase.UNKNOWN]


def test_a_dependency_that_can_be_done_without_holds_nobody_up_once_it_failed() -> None:
    job = ServiceSpec("job", image("job"), restart=Restart.NO)
    api = replace(API, depends_on=(Dependency("job", Condition.COMPLETED, required=False), Dependency("gone", required=False)))
    world = World(StackSpec((api, job)))
    world.engine.behave("job", Behaviour(ready_after=None, exits_after=timedelta(seconds=1), exit_code=1))
    world.settle()
    assert [i.phase for i in world.observe().instances] == [Phase.READY, Phase.EXITED]


@pytest.mark.parametrize(
    ("restart", "limit", "code", "is_started"),
    [
        (Restart.NO, 0, 0, False),
        (Restart.NO, 0, 1, False),
        (Restart.ON_FAILURE, 0, 0, False),
        (Restart.ON_FAILURE, 2, 1, False),
        (Restart.ALWAYS, 0, 0, True),
        (Restart.UNLESS_STOPPED, 0, 1, True),
    ],
)
def test_the_restart_policy_says_whether_a_container_that_ended_is_started_again(
    restart: Restart, limit: int, code: int, is_started: bool
) -> None:
    world = World(StackSpec((replace(API, restart=restart, restart_limit=limit),)))
    ends = Behaviour(ready_after=None, exits_after=timedelta(0), exit_code=code)
    world.engine.behave("api", Behaviour() if is_started else ends)
    world.settle()
    if is_started:
        world.engine.halt(world.observe().instances[0].id)
    world.clock.pass_by(3600)
    assert kinds(world) == ({"Start"} if is_started else set())


def test_a_container_that_ended_for_good_is_started_once_more_when_a_person_asks_for_it() -> None:
    world = World(StackSpec((replace(API, restart=Restart.NO),)))
    world.engine.behave("api", Behaviour(ready_after=None, exits_after=timedelta(seconds=1), exit_code=1))
    world.settle()
    world.clock.pass_by(60)
    world.start("api")
    assert world.settle() == [f"start {world.observe().instances[0].name} -- asked for"]


def test_restart_no_leaves_an_unhealthy_container_as_it_is() -> None:
    world = running(replace(API, restart=Restart.NO))
    world.engine.sicken(world.observe().instances[0].id)
    world.clock.pass_by(3600)
    assert texts(world) == []


def test_an_unhealthy_container_that_recovers_keeps_its_place_and_its_successor_goes() -> None:
    world = running(API)
    (first,) = world.observe().instances
    world.engine.sicken(first.id)
    world.engine.fail(Start, Fault.UNREACHABLE, times=None)
    world.clock.pass_by(10)
    world.do_plan()
    world.engine.heal(first.id)
    world.engine.mend()
    world.settle()
    assert [i.id for i in world.observe().instances] == [first.id]


def test_a_stop_first_container_goes_only_when_its_successor_could_start() -> None:
    data = (Mount("data", "/data"),)
    world = running(ServiceSpec("db", image("db"), mounts=data), API)
    world.stop("api")
    world.settle()
    world.up(
        StackSpec(
            (
                replace(API, image=image("api", 2)),
                ServiceSpec("db", image("db", 2), mounts=data, depends_on=(Dependency("api"),)),
            ),
            volumes=(Volume("data"),),
        )
    )
    world.settle()
    assert [(i.service, i.phase) for i in world.observe().instances] == [("db", Phase.READY), ("db", Phase.CREATED)]


def test_stop_first_goes_by_slots_where_there_are_several() -> None:
    """The place that a lost container leaves is not for the successor of one that still runs."""
    world = running(ServiceSpec("db", image("db"), mounts=(Mount("data", "/data"),), replicas=2))
    world.engine.vanish(next(i.id for i in world.observe().instances if i.slot == 2))
    world.change("db", image=image("db", 2))
    started = [line.split("-")[2] for line in world.settle() if line.startswith("start")]
    assert started == ["2", "1"]
    world.must_be_converged()


def test_a_job_that_has_completed_relieves_its_predecessor_which_still_runs() -> None:
    world = World(StackSpec((ServiceSpec("job", image("job"), restart=Restart.NO),)))
    world.settle()
    ends = Behaviour(ready_after=None, exits_after=timedelta(seconds=1))
    world.engine.behave("job", ends, image=image("job", 2).pinned)
    world.change("job", image=image("job", 2))
    world.settle()
    world.must_be_converged()


def test_stop_first_gives_a_slot_that_was_lost_its_container_though_successors_wait_for_others() -> None:
    world = running(ServiceSpec("db", image("db"), mounts=(Mount("data", "/data"),), replicas=3))
    world.engine.hide(next(i.id for i in world.observe().instances if i.slot == 3))
    world.change("db", image=image("db", 2))
    world.settle()
    world.engine.vanish(next(i.id for i in world.observe().instances if i.phase is Phase.UNKNOWN))
    world.settle()
    world.must_be_converged()


def test_an_upgrade_whose_image_cannot_be_pulled_leaves_everything_running() -> None:
    port = ServiceSpec("mail", image("mail"), ports=(Port(25, 8025),))
    world = running(port, API)
    world.engine.fail(PullImage, times=None)
    world.change("mail", image=image("mail", 2))
    world.change("api", image=image("api", 2))
    for _ in range(5):
        world.do_plan()
    assert all(i.phase is Phase.READY for i in world.observe().instances)


def test_the_grace_is_that_of_the_service() -> None:
    world = running(replace(API, stop_grace_ms=2500))
    world.scale("api", 0)
    (step,) = world.plan().steps
    assert isinstance(step, Stop)
    assert step.grace_ms == 2500


def test_attempts_are_counted_by_slot() -> None:
    world = running(replace(API, replicas=2))
    world.engine.sicken(world.observe().instances[1].id)
    world.clock.pass_by(10)
    (step,) = world.plan().steps
    assert isinstance(step, Create)
    assert (step.slot, step.attempt) == (2, 2)


def test_a_read_only_volume_can_be_shared_and_a_writable_one_or_a_published_port_cannot() -> None:
    shared = replace(API, mounts=(Mount("data", "/data", read_only=True),))
    assert shared.update_order is UpdateOrder.START_FIRST
    assert replace(API, mounts=(Mount("data", "/data"),)).update_order is UpdateOrder.STOP_FIRST
    assert replace(API, ports=(Port(80, 8080),)).update_order is UpdateOrder.STOP_FIRST


def test_a_revision_without_the_version_of_a_secret_is_refused() -> None:
    world = World(StackSpec((replace(API, secrets=(Grant("password", "/run/secrets/password"),)),)))
    with pytest.raises(Failed, match="password"):
        desire(world.deployment, world.revision)


def test_the_approval_to_remove_volumes_counts_only_for_a_stack_that_is_removed() -> None:
    world = World(StackSpec((API,)))
    desired = desire(replace(world.deployment, remove_volumes=True), world.revision)
    assert not desired.remove_volumes
