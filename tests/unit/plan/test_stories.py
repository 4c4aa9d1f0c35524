"""The main stories of a stack, from its first start to its removal, told as the planner tells them (`support.stories`)."""

from __future__ import annotations

from spin.model.stack import (
    ServiceSpec,
    StackSpec,
    Volume,
)
from support.planned import image
from support.stories import API_ALONE, alone, story, tells, three_tiers, up_and_running


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
