"""Stories of a stack, as the planner tells them: a paragraph a pass, a line a step, everything in a paragraph in any order.

`v1`, `v2` … stand for the templates of a service in the order in which they appear, `+1 s` for the time until something changes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from textwrap import dedent

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
from support.planned import PASS_SECONDS, image
from support.worlds import World

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
