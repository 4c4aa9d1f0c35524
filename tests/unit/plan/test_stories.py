"""The main stories, told as the planner tells them: a paragraph a pass, a line a step, everything in a paragraph in any order.

`v1`, `v2` … stand for the templates of a service in the order in which they appear, `+1 s` for the time until something changes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from textwrap import dedent

from spin.engines.simulated import Behaviour
from spin.model.observed import Phase
from spin.model.stack import (
    Condition,
    Dependency,
    Grant,
    Http,
    Mount,
    Restart,
    SecretRef,
    ServiceSpec,
    StackSpec,
    Volume,
)
from spin.model.steps import Create
from spin.plan import render
from support.worlds import PASS_SECONDS, World, image

DB = ServiceSpec(
    "db", image("db"), mounts=(Mount("data", "/var/lib/mysql"),), secrets=(Grant("password", "/run/secrets/password"),)
)
API = ServiceSpec("api", image("api"), depends_on=(Dependency("db", Condition.HEALTHY),))
WEB = ServiceSpec("web", image("web"), http=Http(8080), depends_on=(Dependency("api", Condition.STARTED),))
API_ALONE = ServiceSpec("api", image("api"))
WEB_ALONE = ServiceSpec("web", image("web"), http=Http(8080))
MIGRATE = ServiceSpec("migrate", image("migrate"), restart=Restart.NO)
AFTER_MIGRATE = ServiceSpec("web", image("web"), depends_on=(Dependency("migrate", Condition.COMPLETED),))


def three_tiers() -> World:
    spec = StackSpec((API, DB, WEB), volumes=(Volume("data"),), secrets=(SecretRef("password", "shop.password"),))
    return World(spec, versions=(("shop.password", 1),))


def alone(service: ServiceSpec) -> World:
    return World(StackSpec((service,)))


def up_and_running(world: World) -> World:
    world.settle()
    world.must_be_converged()
    return world


def story(world: World, *, passes: int = 2000, until: timedelta = timedelta(minutes=2)) -> str:
    """Carry out plans until nothing is left to do, or the time is over; returns the plans."""
    names = Templates()
    for instance in sorted(world.observe().instances, key=lambda i: i.since):
        names.learn(instance.service, instance.digest)
    told: list[str] = []
    end, since = world.clock.now() + until, world.clock.now()
    for _ in range(passes):
        observed = world.look()
        todo = world.plan()
        if todo.steps:
            pause = round((world.clock.now() - since).total_seconds(), 1)
            told.append(f"{f'+{pause:g} s{chr(10)}' if pause else ''}{names.shorten(render(todo))}")
            for step in todo.steps:
                if isinstance(step, Create):
                    names.learn(step.spec.name, step.digest)
            for step in todo.steps:
                world.execute(step, observed)
            since = world.clock.now()
            continue
        world.tidy()
        if todo.wake_after is None and all(i.phase is not Phase.STARTING for i in observed.instances):
            return names.shorten("\n\n".join(told))
        world.clock.pass_by(PASS_SECONDS)
        if world.clock.now() >= end:
            return names.shorten("\n\n".join(told))
    raise AssertionError("no end:\n" + "\n\n".join(told))


class Templates:
    """Readable names for digests."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.count: dict[str, int] = {}

    def learn(self, service: str, digest: str) -> None:
        if digest[:8] not in self.known:
            self.count[service] = self.count.get(service, 0) + 1
            self.known[digest[:8]] = f"v{self.count[service]}"

    def shorten(self, text: str) -> str:
        for digest, name in self.known.items():
            text = text.replace(digest, name)
        text = re.sub(r"shop-(\w+-\d+-v\d+)-(\d+)", lambda m: f"{m[1]}{'' if m[2] == '1' else f'-try{m[2]}'}", text)
        return re.sub(r"registry\.example\.org/shop/(\w+)@0*(\d+)", r"\1:\2", text)


def waiting_detail(world: World, service: str) -> str:
    return next(s.detail for s in world.status().services if s.service == service)


def tells(told: str, expected: str) -> None:
    assert told.splitlines() == dedent(expected).strip().splitlines()


def test_a_new_stack_is_created_at_once_and_started_as_far_as_its_dependencies_allow() -> None:
    world = three_tiers()
    tells(
        story(world),
        """
        pull api:1 -- for api
        pull db:1 -- for db
        pull web:1 -- for web
        make network default -- for api, db, web
        make volume data -- for db

        deliver files of db @v1 -- its secrets
        create api-1 @v1 -- wanted
        create web-1 @v1 -- wanted

        create db-1 @v1 -- wanted

        start db-1-v1 -- created

        +0.5 s
        start api-1-v1 -- created

        start web-1-v1 -- created

        +0.5 s
        route to web-1-v1 -- ready
        """,
    )
    world.must_be_converged()


def test_an_upgrade_starts_the_new_container_before_it_stops_the_old_one() -> None:
    world = up_and_running(three_tiers())
    world.change("api", image=image("api", 2))
    tells(
        story(world),
        """
        pull api:2 -- for api

        create api-1 @v2 -- made anew from the changed template

        start api-1-v2 -- created

        +0.5 s
        stop api-1-v1 within 10 s -- replaced by the changed template

        remove api-1-v1 -- replaced by the changed template
        """,
    )
    world.must_be_converged()


def test_visitors_are_led_to_the_new_container_before_the_old_one_leaves_the_routes() -> None:
    world = up_and_running(alone(WEB_ALONE))
    world.change("web", environment=(("COLOUR", "green"),))
    tells(
        story(world),
        """
        create web-1 @v2 -- made anew from the changed template

        start web-1-v2 -- created

        +0.5 s
        route to web-1-v2 -- ready

        unroute web-1-v1 -- replaced by the changed template

        +1.5 s
        stop web-1-v1 within 10 s -- replaced by the changed template

        remove web-1-v1 -- replaced by the changed template
        """,
    )


def test_a_container_with_a_writable_volume_has_ended_before_its_successor_starts() -> None:
    world = up_and_running(three_tiers())
    world.change("db", image=image("db", 2))
    tells(
        story(world),
        """
        pull db:2 -- for db

        deliver files of db @v2 -- its secrets

        create db-1 @v2 -- made anew from the changed template

        stop db-1-v1 within 10 s -- replaced by the changed template

        start db-1-v2 -- created
        remove db-1-v1 -- replaced by the changed template

        remove files of db @v1 -- no container uses them any more
        """,
    )
    world.must_be_converged()


def test_three_replicas_are_exchanged_one_after_the_other() -> None:
    world = up_and_running(alone(ServiceSpec("api", image("api"), replicas=3)))
    world.change("api", image=image("api", 2))
    tells(
        story(world),
        """
        pull api:2 -- for api

        create api-1 @v2 -- made anew from the changed template

        start api-1-v2 -- created

        +0.5 s
        stop api-1-v1 within 10 s -- replaced by the changed template

        create api-2 @v2 -- made anew from the changed template
        remove api-1-v1 -- replaced by the changed template

        start api-2-v2 -- created

        +0.5 s
        stop api-2-v1 within 10 s -- replaced by the changed template

        create api-3 @v2 -- made anew from the changed template
        remove api-2-v1 -- replaced by the changed template

        start api-3-v2 -- created

        +0.5 s
        stop api-3-v1 within 10 s -- replaced by the changed template

        remove api-3-v1 -- replaced by the changed template
        """,
    )


def test_scaling_adds_the_next_numbers_one_beside_those_that_serve_and_takes_away_the_highest() -> None:
    world = up_and_running(alone(ServiceSpec("api", image("api"), replicas=2)))
    world.scale("api", 5)
    tells(
        story(world),
        """
        create api-3 @v1 -- wanted
        create api-4 @v1 -- wanted
        create api-5 @v1 -- wanted

        start api-3-v1 -- created

        +0.5 s
        start api-4-v1 -- created

        +0.5 s
        start api-5-v1 -- created
        """,
    )
    world.scale("api", 1)
    tells(
        story(world),
        """
        stop api-5-v1 within 10 s -- scaled down
        stop api-4-v1 within 10 s -- scaled down
        stop api-3-v1 within 10 s -- scaled down
        stop api-2-v1 within 10 s -- scaled down

        remove api-2-v1 -- scaled down
        remove api-3-v1 -- scaled down
        remove api-4-v1 -- scaled down
        remove api-5-v1 -- scaled down
        """,
    )
    world.must_be_converged()


def test_stop_keeps_the_containers_and_start_starts_the_same_ones_again() -> None:
    world = up_and_running(three_tiers())
    before = {i.id for i in world.observe().instances}
    world.stop()
    tells(
        story(world),
        """
        unroute web-1-v1 -- stopped on request

        stop web-1-v1 within 10 s -- stopped on request

        stop api-1-v1 within 10 s -- stopped on request

        stop db-1-v1 within 10 s -- stopped on request
        """,
    )
    world.must_be_converged()
    world.clock.pass_by(60)
    world.start()
    tells(
        story(world),
        """
        start api-1-v1 -- asked for
        start db-1-v1 -- asked for
        start web-1-v1 -- asked for

        +0.5 s
        route to web-1-v1 -- ready
        """,
    )
    assert {i.id for i in world.observe().instances} == before
    world.must_be_converged()


def test_restart_is_a_replacement_in_the_order_of_the_dependencies() -> None:
    world = up_and_running(three_tiers())
    world.restart()
    tells(
        story(world),
        """
        deliver files of db @v2 -- its secrets
        create api-1 @v2 -- made anew from the changed template
        create web-1 @v2 -- made anew from the changed template

        create db-1 @v2 -- made anew from the changed template

        stop db-1-v1 within 10 s -- replaced by the changed template

        start db-1-v2 -- created
        remove db-1-v1 -- replaced by the changed template

        remove files of db @v1 -- no container uses them any more

        +0.5 s
        start api-1-v2 -- created

        start web-1-v2 -- created

        +0.5 s
        stop api-1-v1 within 10 s -- replaced by the changed template
        route to web-1-v2 -- ready

        remove api-1-v1 -- replaced by the changed template
        unroute web-1-v1 -- replaced by the changed template

        +1.5 s
        stop web-1-v1 within 10 s -- replaced by the changed template

        remove web-1-v1 -- replaced by the changed template
        """,
    )
    world.must_be_converged()


def test_removing_a_stack_keeps_its_volumes() -> None:
    world = up_and_running(three_tiers())
    world.remove()
    tells(
        story(world),
        """
        unroute web-1-v1 -- the stack is removed

        stop web-1-v1 within 10 s -- the stack is removed

        stop api-1-v1 within 10 s -- the stack is removed
        remove web-1-v1 -- the stack is removed

        remove api-1-v1 -- the stack is removed
        stop db-1-v1 within 10 s -- the stack is removed

        remove db-1-v1 -- the stack is removed

        remove files of db @v1 -- no container uses them any more
        remove network default -- no container is attached to it any more
        """,
    )
    world.must_be_converged()
    assert world.observe().volumes == ("data",)


def test_removing_a_stack_with_its_volumes_removes_them_last() -> None:
    world = up_and_running(three_tiers())
    world.remove(volumes=True)
    assert story(world).splitlines()[-2:] == [
        "remove network default -- no container is attached to it any more",
        "remove volume data and its data -- its removal was asked for with the stack's",
    ]
    world.must_be_converged()
    assert world.observe().volumes == ()


def test_a_service_that_left_the_file_is_taken_down_with_all_that_was_only_its_own() -> None:
    world = up_and_running(three_tiers())
    world.up(StackSpec((API_ALONE,), volumes=(Volume("data"),)))
    tells(
        story(world),
        """
        stop db-1-v1 within 10 s -- the service is no longer part of the stack
        unroute web-1-v1 -- the service is no longer part of the stack

        remove db-1-v1 -- the service is no longer part of the stack
        look again in 0.25 s

        remove files of db @v1 -- no container uses them any more
        look again in 0.25 s

        +1.5 s
        stop web-1-v1 within 10 s -- the service is no longer part of the stack

        remove web-1-v1 -- the service is no longer part of the stack
        """,
    )
    world.must_be_converged()


def test_an_upgrade_that_never_becomes_healthy_is_tried_ever_more_slowly_while_the_old_container_serves() -> None:
    world = up_and_running(alone(WEB_ALONE))
    broken = Behaviour(ready_after=None, unhealthy_after=timedelta(seconds=2), probe_output="HTTP 500")
    world.engine.behave("web", broken, image=image("web", 2).pinned)
    world.change("web", image=image("web", 2))
    tells(
        story(world, until=timedelta(seconds=12)),
        """
        pull web:2 -- for web

        create web-1 @v2 -- made anew from the changed template

        start web-1-v2 -- created

        +2 s
        create web-1 @v2, attempt 2 -- attempt 1 is unhealthy: HTTP 500

        stop web-1-v2 within 10 s -- replaced by a newer attempt; its place is needed

        start web-1-v2-try2 -- created
        remove web-1-v2 -- replaced by a newer attempt

        +2 s
        create web-1 @v2, attempt 3 -- attempt 2 is unhealthy: HTTP 500

        stop web-1-v2-try2 within 10 s -- replaced by a newer attempt; its place is needed

        start web-1-v2-try3 -- created
        remove web-1-v2-try2 -- replaced by a newer attempt

        +4 s
        create web-1 @v2, attempt 4 -- attempt 3 is unhealthy: HTTP 500

        stop web-1-v2-try3 within 10 s -- replaced by a newer attempt; its place is needed

        start web-1-v2-try4 -- created
        remove web-1-v2-try3 -- replaced by a newer attempt
        """,
    )
    world.change("web", image=image("web", 3))
    tells(
        story(world),
        """
        pull web:3 -- for web

        create web-1 @v3 -- made anew from the changed template

        stop web-1-v2-try4 within 10 s -- replaced by the changed template; its place is needed

        start web-1-v3 -- created
        remove web-1-v2-try4 -- replaced by the changed template

        +0.5 s
        route to web-1-v3 -- ready

        unroute web-1-v1 -- replaced by the changed template

        +1.5 s
        stop web-1-v1 within 10 s -- replaced by the changed template

        remove web-1-v1 -- replaced by the changed template
        """,
    )


def test_a_container_that_falls_ill_leaves_the_routes_and_gets_a_successor() -> None:
    world = up_and_running(alone(WEB_ALONE))
    world.engine.sicken(world.observe().instances[0].id, "HTTP 500")
    tells(
        story(world),
        """
        create web-1 @v1, attempt 2 -- attempt 1 is unhealthy: HTTP 500
        unroute web-1-v1 -- it is unhealthy

        start web-1-v1-try2 -- created
        look again in 0.25 s

        +0.5 s
        route to web-1-v1-try2 -- ready
        look again in 0.25 s

        +1 s
        stop web-1-v1 within 10 s -- replaced by a newer attempt

        remove web-1-v1 -- replaced by a newer attempt
        """,
    )


def test_a_crash_loop_is_the_engines_business_and_the_planner_looks_on() -> None:
    world = alone(API_ALONE)
    world.engine.behave("api", Behaviour(exits_after=timedelta(seconds=0.2), exit_code=1))
    tells(
        story(world, until=timedelta(seconds=30)),
        """
        pull api:1 -- for api
        make network default -- for api

        create api-1 @v1 -- wanted

        start api-1-v1 -- created
        """,
    )


def test_a_container_that_somebody_stopped_behind_the_platforms_back_is_started_again() -> None:
    world = up_and_running(alone(API_ALONE))
    world.engine.halt(world.observe().instances[0].id)
    tells(
        story(world),
        """
        +1 s
        start api-1-v1 -- exited with 143
        """,
    )


def test_dependents_of_a_job_start_when_it_has_completed_and_the_job_is_not_run_again() -> None:
    world = World(StackSpec((MIGRATE, AFTER_MIGRATE)))
    world.engine.behave("migrate", Behaviour(ready_after=None, exits_after=timedelta(seconds=3)))
    tells(
        story(world),
        """
        pull migrate:1 -- for migrate
        pull web:1 -- for web
        make network default -- for migrate, web

        create migrate-1 @v1 -- wanted
        create web-1 @v1 -- wanted

        start migrate-1-v1 -- created

        +3 s
        start web-1-v1 -- created
        """,
    )
    world.must_be_converged()


def test_dependents_of_a_job_that_failed_wait_for_a_better_one() -> None:
    world = World(StackSpec((MIGRATE, AFTER_MIGRATE)))
    world.engine.behave("migrate", Behaviour(ready_after=None, exits_after=timedelta(0), exit_code=3))
    story(world)
    assert waiting_detail(world, "web") == "waiting for migrate, which failed: exited with 3"
    world.engine.behave("migrate", Behaviour(ready_after=None, exits_after=timedelta(0)), image=image("migrate", 2).pinned)
    world.change("migrate", image=image("migrate", 2))
    tells(
        story(world),
        """
        pull migrate:2 -- for migrate
        remove migrate-1-v1 -- replaced by the changed template

        create migrate-1 @v2 -- wanted

        start migrate-1-v2 -- created

        start web-1-v1 -- created
        """,
    )
