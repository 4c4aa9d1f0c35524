"""How containers are exchanged for others, told as the planner tells it (`support.stories`)."""

from __future__ import annotations

from spin.model.stack import (
    ServiceSpec,
)
from support.planned import image
from support.stories import WEB_ALONE, alone, story, tells, three_tiers, up_and_running


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
