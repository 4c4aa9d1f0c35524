"""What is done about containers that fail or end, told as the planner tells it (`support.stories`)."""

from __future__ import annotations

from datetime import timedelta

from spin.engines.simulated import Behaviour
from spin.model.stack import (
    StackSpec,
)
from support.planned import image
from support.stories import AFTER_MIGRATE, API_ALONE, MIGRATE, WEB_ALONE, alone, story, tells, up_and_running, waiting_detail
from support.worlds import World


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
