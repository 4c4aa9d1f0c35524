"""Whatever happens to a deployment, every single step is safe, and in the end it is as wanted.

Each world is a stack of a few services, and a series of changes by people and of mishaps; plans are carried out in part, in any
order, and repeatedly. `support.watchman` objects to any unsafe step at the moment at which it is taken. SPIN_WORLDS sets how many
worlds are tried; every world can be repeated by its number.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spin.engines.simulated import Behaviour, Fault
from spin.model.observed import Tables
from spin.model.stack import (
    Condition,
    Config,
    Dependency,
    Grant,
    Http,
    Mount,
    Network,
    Port,
    Restart,
    SecretRef,
    ServiceSpec,
    StackSpec,
    Volume,
)
from spin.model.status import State
from spin.model.steps import (
    Create,
    DeliverFiles,
    EngineStep,
    EnsureNetwork,
    PullImage,
    Remove,
    RouteTo,
    Start,
    Step,
    Stop,
    Unroute,
)
from spin.plan import plan
from support.planned import image, key_of
from support.worlds import World

WORLDS = int(os.environ.get("SPIN_WORLDS", "160"))
BATCHES = 8

DB = ServiceSpec("db", image("db"), mounts=(Mount("data", "/data"),), secrets=(Grant("password", "/run/secrets/password"),))
MIGRATE = ServiceSpec("migrate", image("migrate"), restart=Restart.NO, depends_on=(Dependency("db", Condition.HEALTHY),))
API = ServiceSpec(
    "api",
    image("api"),
    configs=(Grant("settings", "/settings"),),
    networks=(),
    depends_on=(Dependency("db", Condition.HEALTHY), Dependency("migrate", Condition.COMPLETED)),
)
WEB = ServiceSpec("web", image("web"), http=Http(8080), depends_on=(Dependency("api", Condition.HEALTHY),))
WORKER = ServiceSpec(
    "worker",
    image("worker"),
    restart=Restart.ON_FAILURE,
    restart_limit=3,
    depends_on=(Dependency("mail", Condition.STARTED, required=False),),
)
MAIL = ServiceSpec("mail", image("mail"), ports=(Port(25, 8025),), restart=Restart.ALWAYS, stop_grace_ms=2000)
ALL = (API, DB, MAIL, MIGRATE, WEB, WORKER)
MOST = {"db": 3, "mail": 1, "migrate": 2}
"""Replicas; a published port can be held once."""
STEPS: tuple[type[EngineStep], ...] = (PullImage, EnsureNetwork, DeliverFiles, Create, Start, Stop, Remove)


def stack(services: tuple[ServiceSpec, ...]) -> StackSpec:
    """A stack as the loader would let it pass: what is depended on is part of it."""
    names = {s.name for s in services}
    usual = {s.name: s.depends_on for s in ALL}

    def whole(service: ServiceSpec) -> ServiceSpec:
        kept = tuple(d for d in usual[service.name] if d.service in names)
        return replace(service, depends_on=kept)

    return StackSpec(
        tuple(sorted(map(whole, services), key=lambda s: s.name)),
        networks=(Network("back"), Network("default")),
        volumes=(Volume("data"),),
        configs=(Config("settings", b"level=1"),),
        secrets=(SecretRef("password", "shop.password"),),
    )


@dataclass
class Fate:
    """What happens in one world; all of it follows from `dice`."""

    dice: Random
    world: World
    versions: int = 1
    broken: set[str] = field(default_factory=set)

    def change(self) -> None:
        """Something that a person does."""
        name = self.dice.choice([s.name for s in self.world.spec.services])
        deeds = [self.upgrade, self.upgrade, self.rescale, self.restart, self.stop, self.start, self.recast, self.rearrange]
        if self.world.deployment.upgrade is not None:
            deeds += [self.confirm, self.roll_back]
        self.dice.choice(deeds)(name)

    def upgrade(self, name: str) -> None:
        """A new image, which may be broken in one way or another."""
        self.versions += 1
        made = image(name, self.versions)
        second = timedelta(seconds=1)
        behaviour = self.dice.choice([
            Behaviour(ready_after=timedelta(0)),
            Behaviour(ready_after=second * self.dice.randint(0, 4), stops_after=second * self.dice.randint(0, 3)),
            Behaviour(ready_after=None),
            Behaviour(ready_after=None, unhealthy_after=second),
            Behaviour(ready_after=second, unhealthy_after=second * 5),
            Behaviour(exits_after=second / 5, exit_code=1),
            Behaviour(exits_after=second * 3, out_of_memory=True),
        ])  # fmt: skip
        if name == "migrate":
            behaviour = Behaviour(ready_after=None, exits_after=second * self.dice.randint(0, 2))
        elif behaviour.ready_after is None or behaviour.exits_after is not None or behaviour.unhealthy_after is not None:
            self.broken.add(made.pinned)
        self.world.engine.behave(name, behaviour, image=made.pinned)
        self.world.change(name, image=made)

    def confirm(self, _name: str) -> None:
        self.world.confirm()

    def roll_back(self, _name: str) -> None:
        self.world.roll_back()

    def rescale(self, name: str) -> None:
        self.world.scale(name, self.dice.randint(0, MOST.get(name, 4)))

    def restart(self, name: str) -> None:
        self.world.restart(name)

    def stop(self, name: str) -> None:
        self.world.stop(name)

    def start(self, name: str) -> None:
        self.world.start(name)

    def recast(self, name: str) -> None:
        """Services come and go."""
        kept = [s for s in self.world.spec.services if s.name != name]
        missing = [s for s in ALL if s.name not in {k.name for k in kept}]
        added = self.dice.sample(missing, self.dice.randint(0, len(missing)))
        if kept or added:
            self.world.up(stack((*kept, *added)))

    def rearrange(self, name: str) -> None:
        """The service begins to speak HTTP, or ceases to, or does so elsewhere."""
        if not next(s for s in self.world.spec.services if s.name == name).networks:
            return
        self.world.change(name, http=self.dice.choice([None, Http(8080), Http(9000), Http(8080, (f"{name}.example.com",))]))

    def mishap(self) -> None:
        """Something that happens to the engine or to the edge."""
        engine, seen = self.world.engine, self.world.observe()
        if seen.instances and self.dice.random() < 0.7:
            victim = self.dice.choice(sorted(i.id for i in seen.instances))
            deeds = [
                engine.crash,
                engine.vanish,
                engine.halt,
                engine.sicken,
                engine.sicken,
                engine.hide,
                engine.reveal,
                engine.heal,
                lambda one: engine.connect(one, self.dice.randint(0, 3)),
                lambda one: engine.alter(one, "renamed"),
            ]
            self.dice.choice(deeds)(victim)
        elif self.dice.random() < 0.3:
            self.world.tables = Tables()
        else:
            engine.fail(self.dice.choice(STEPS), self.dice.choice(list(Fault)), times=self.dice.randint(1, 3))

    def controller(self) -> None:
        """One pass, of which any part is done, in any order, with repetitions; the rest is lost, as in a crash."""
        observed = self.world.look()
        steps = list(plan(self.world.desired, observed, self.world.clock.now()).steps)
        self.told_truthfully(steps)
        self.dice.shuffle(steps)
        if self.dice.random() < 0.5:
            steps = steps[: self.dice.randint(0, len(steps))]
        repeated = [s for s in steps if self.dice.random() < 0.2]
        for step in [*steps, *repeated]:
            self.world.execute(step, observed)

    def told_truthfully(self, steps: list[Step]) -> None:
        """Of a service that is said to be as wanted, no container is touched."""
        services = {i.id: i.service for i in self.world.observe().instances}
        touched = {services[s.id] for s in steps if isinstance(s, Start | Stop | Remove | RouteTo | Unroute)}
        touched |= {s.spec.name for s in steps if isinstance(s, Create)}
        as_wanted = {State.HEALTHY, State.UPGRADED, State.COMPLETED, State.STOPPED}
        assert touched.isdisjoint(s.service for s in self.world.status().services if s.state in as_wanted)

    def amends(self) -> None:
        """An end to all mishaps: what is unknown becomes known, and every image works. Containers that are sick stay so."""
        self.world.engine.mend()
        for instance in self.world.observe().instances:
            self.world.engine.reveal(instance.id)
            self.world.engine.connect(instance.id, 0)
            if instance.service == "migrate":
                self.world.engine.heal(instance.id)
        for service in self.world.spec.services:
            if service.image.pinned not in self.broken:
                continue
            self.versions += 1
            made = image(service.name, self.versions)
            self.world.change(service.name, image=made)

    def ending(self) -> None:
        """What is wanted at last: everything running, some of it stopped, or nothing at all."""
        if self.dice.random() < 0.2:
            self.world.remove(volumes=self.dice.random() < 0.5)
            return
        self.world.start()
        if self.dice.random() < 0.3:
            names = [s.name for s in self.world.spec.services if s.name in ("web", "worker", "mail")]
            self.world.stop(*self.dice.sample(names, min(1, len(names))) or ("nobody",))


def live(dice: Random) -> None:
    """One world, from beginning to end."""
    services = tuple(replace(s, replicas=dice.randint(1, 3) if s in (API, WEB, WORKER) else 1) for s in ALL)
    some = tuple(dice.sample(services, dice.randint(1, 4)))
    keeping, addresses = dice.random() < 0.7, dice.random() < 0.5
    world = World(stack(some), versions=(("shop.password", 1),), keeping=keeping, addresses=addresses)
    world.roll_back_on_failure = dice.random() < 0.5
    world.engine.behave("migrate", Behaviour(ready_after=None, exits_after=timedelta(seconds=1)))
    neighbour = World(stack((WEB, WORKER)), key=key_of("neighbour"), beside=world)
    neighbour.settle()
    untouched = neighbour.observe()
    fate = Fate(dice, world)
    for _ in range(dice.randint(1, 25)):
        if dice.random() < 0.3:
            fate.change()
        if dice.random() < 0.3:
            fate.mishap()
        fate.controller()
        world.clock.pass_by(dice.choice([0, 0.1, 0.5, 1, 5, 60]))
    world.clock.pass_by(1)
    fate.amends()
    fate.ending()
    world.settle()
    world.must_be_converged()
    assert neighbour.observe().instances == untouched.instances


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_step_is_safe_and_every_world_converges(batch: int) -> None:
    for number in range(batch, WORLDS, BATCHES):
        try:
            live(Random(number))
        except Exception as error:
            error.add_note(f"in world {number}")
            raise


@given(st.randoms(use_true_random=False))
@settings(max_examples=max(1, WORLDS // 8), deadline=None, suppress_health_check=list(HealthCheck))
def test_no_world_is_found_that_is_unsafe_or_does_not_converge(dice: Random) -> None:
    live(dice)
