"""The platform is killed wherever it touches the world, and the next one goes on to the same end.

A story is played: what people ask of a stack, from `up` to `rm`, one chapter each. The points are counted at which the process touches
the world (before and after each step on the engine, each change of a table, each transaction, of the controller and of the API). In
each chapter it is killed at some of them, also while it mends what an earlier death has left; whoever did not get an answer asks again. At
the end of each chapter the world has to look as it does where nobody dies.

A usual run draws the points at random, from a seed that it prints (SPIN_CHAOS_SEED repeats it). SPIN_KILL_EVERY=1 takes all points, one in
each chapter of a play; SPIN_KILL_EVERY=5 every fifth.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spin.addresses.simulated import SimulatedAddresses
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.model.names import DeploymentKey
from spin.model.observed import Phase, Snapshot
from spin.model.status import DeploymentStatus, State
from spin.reconcile.passes import Pass, World
from support.api import LAB, key_of, new_world, path, submission, web
from support.api import World as Api
from support.mortal import Killed, MortalAddresses, MortalEdge, MortalEngine, MortalStore, Reaper

MOST_PASSES = 600
EVERY = int(os.environ.get("SPIN_KILL_EVERY", "0"))
SEED = int(os.environ.get("SPIN_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
SHARDS = 2
PLAYS = 2
"""Random plays of each shard."""
MOST_DEATHS = 3
"""In one chapter of a random play."""
LEAST_KILLS = 60
"""Of each shard; four of them are well over 200."""
BROKEN = "sha256:" + "c" * 64
SECOND = timedelta(seconds=1)

DEV, PROD = key_of("shop"), key_of("shop", environment="production")


class Story:
    """People's wishes over the API, and platforms that come one after the other."""

    def __init__(self, api: Api, reaper: Reaper, *, addresses: bool) -> None:
        self.api, self.reaper = api, reaper
        self.edge = SimulatedEdge()
        self.addresses = SimulatedAddresses() if addresses else None
        self.engine = SimulatedEngine(api.clock, service_addresses=addresses)
        self.store = MortalStore(api.store, reaper)
        self.platforms = 0
        self.chapter = 0
        self.born: dict[str, int] = {}
        """The chapter at whose end a container or volume was first seen: it stands for the thing's identity."""
        self.services = {
            "web": web(x_spin={"http": 8080}, depends_on={"db": {"condition": "service_healthy"}}, scale=2),
            "db": web(volumes=["data:/data"], secrets=["password"]),
        }

    async def be_born(self) -> None:
        """A platform as after a start: nothing is left of the one before but what it has written."""
        self.platforms += 1
        self.reaper.bear()
        engine = MortalEngine(self.engine, self.reaper)
        addresses = None if self.addresses is None else MortalAddresses(self.addresses, self.reaper)
        edge = MortalEdge(self.edge, self.reaper)
        site, clock = self.api.platform.site, self.api.clock
        self.passes = Pass(World(site, self.store, {"docker": engine}, edge, clock, lambda _: None, addresses))  # type: ignore[arg-type, dict-item]
        await self.api.exchange(store=self.store, engines={"docker": self.engine})

    # What people do.

    async def ask(self, method: str, key: DeploymentKey, verb: str = "", **body: Any) -> None:
        """Asks until there is an answer. Whoever asks says which generation they have seen, so that nothing is done twice."""
        place = path(key.stack, environment=key.environment) + (f"/{verb}" if verb else "")
        async with self.api.store.begin() as work:
            deployment = await work.deployment(key)
        seen = {"expect_generation": 0 if deployment is None else deployment.generation}
        said: dict[str, Any] = {"params": seen | body} if method == "DELETE" else {"json": seen | body}
        died = False
        while True:
            try:
                answer = await self.api.as_("otto").request(method, place, **said)
            except Killed:
                died = True
                await self.be_born()
                continue
            assert answer.is_success or (died and answer.status_code == 409), answer.text
            return

    async def up(self, key: DeploymentKey = DEV, *, force: bool = False, **top: Any) -> None:
        """Deploy the file as it stands now; `top` are further top-level keys of it."""
        top |= {"top_volumes": {"data": {}}, "top_secrets": {"password": {"file": "x"}}}
        document = submission(services=self.services, secrets={"password": b"s3cret"}, **top)
        await self.ask("PUT", key, submission=document, force=force)

    def edit(self, service: str, **keys: Any) -> None:
        self.services = {**self.services, service: {**self.services[service], **keys}}

    # What the controller does.

    async def step(self, key: DeploymentKey) -> timedelta | None:
        try:
            return await self.passes.run(key)
        except Killed:
            await self.be_born()
            return timedelta(0)

    async def settle(self, key: DeploymentKey, end: State) -> None:
        """Passes until the plan is empty and nothing is awaited; then that has to be the state."""
        quiet = 0
        for _ in range(MOST_PASSES):
            wait = await self.step(key)
            if wait == timedelta(0):
                quiet = 0
                continue
            quiet = quiet + 1 if wait is None else 0
            self.api.clock.forward(SECOND)
            if quiet > 3:
                break
        async with self.api.store.begin() as work:
            status = await work.status(key)
        state = State.REMOVED if status is None else status.state
        assert (quiet > 3, state) == (True, end), f"{key}: {status}"

    async def begin(self, passes: int = 7) -> None:
        """Some passes only: what is asked for next comes in the middle of something."""
        for _ in range(passes):
            await self.step(DEV)
            self.api.clock.forward(timedelta(milliseconds=200))

    # What is there.

    async def picture(self) -> object:
        """Without what may differ: ids, times, and how often something was tried."""
        return [await self._picture_of(key) for key in (DEV, PROD)]

    async def _picture_of(self, key: DeploymentKey) -> object:
        snapshot = await self.engine.observe(key)
        async with self.api.store.begin() as work:
            deployment, status = await work.deployment(key), await work.status(key)
            revisions = [(r.number, r.spec, r.secret_versions, r.author, r.origin, r.note) for r in await work.revisions(key)]
        kept = {i.id for i in status.instances if i.kept} if status is not None else set()
        containers = sorted(
            (i.service, i.slot, i.digest, i.phase.value, self.born.setdefault(i.id, self.chapter), i.id in kept)
            for i in snapshot.instances
        )
        wanted = None
        if deployment is not None:
            base = None if deployment.upgrade is None else deployment.upgrade.base
            wishes = [(w.service, w.stopped, w.restarts) for w in deployment.wishes]
            wanted = (deployment.generation, deployment.revision, deployment.goal, wishes, base, deployment.numbers)
        return {
            "containers": containers,
            "rest": (snapshot.networks, snapshot.files),
            "volumes": await self._volumes(key),
            "wanted": wanted,
            "revisions": revisions,
            "status": None if status is None else _said(status),
            "routes": [(r.host, r.hold, _led(snapshot, r.targets)) for r in await self.edge.routes(str(key))],
            "addresses": await self._addresses(key, snapshot),
        }

    async def _volumes(self, key: DeploymentKey) -> object:
        """One that was removed and made anew has lost its data: it is another one."""
        found = [v for v in await self.engine.volumes(key.project) if v.key == key]
        return [(v.name, self.born.setdefault(f"{key} {v.name} {v.created}", self.chapter)) for v in found]

    async def _addresses(self, key: DeploymentKey, snapshot: Snapshot) -> object:
        if self.addresses is None:
            return None
        entries = await self.addresses.entries(str(key))
        return [(e.network, e.service, e.address, e.hold, _led(snapshot, e.targets)) for e in entries]


def _said(status: DeploymentStatus) -> object:
    progress = status.progress
    failure = None if progress is None else progress.failure
    upgrade = None if progress is None else progress.complete is not None
    reason = None if failure is None else (failure.service, failure.reason, failure.held, failure.log)
    return status.generation, status.state, status.detail, status.services, status.worked, upgrade, reason


def _led(snapshot: Snapshot, targets: Sequence[str]) -> list[tuple[str, int]]:
    """The containers that a table leads to; a KeyError where it leads to none."""
    running = {address: (i.service, i.slot) for i in snapshot.instances for _, address in i.addresses if i.phase is Phase.READY}
    return sorted(running[target.partition(":")[0]] for target in targets)


# The chapters.


async def first_up(s: Story) -> None:
    await s.up()
    await s.settle(DEV, State.HEALTHY)


async def upgrade(s: Story) -> None:
    s.edit("web", environment={"COLOUR": "blue"})
    await s.up()
    await s.settle(DEV, State.UPGRADED)


async def confirm(s: Story) -> None:
    await s.ask("POST", DEV, "confirm")
    await s.settle(DEV, State.HEALTHY)


async def upgrade_of_both(s: Story) -> None:
    s.edit("web", environment={"COLOUR": "red"})
    s.edit("db", environment={"SIZE": "large"})
    await s.up()
    await s.settle(DEV, State.UPGRADED)


async def scale_up(s: Story) -> None:
    await s.ask("POST", DEV, "scale", replicas={"web": 5})
    await s.settle(DEV, State.UPGRADED)


async def scale_down(s: Story) -> None:
    await s.ask("POST", DEV, "scale", replicas={"web": 1})
    await s.settle(DEV, State.UPGRADED)


async def stop(s: Story) -> None:
    await s.ask("POST", DEV, "stop")
    await s.settle(DEV, State.STOPPED)


async def start(s: Story) -> None:
    await s.ask("POST", DEV, "start")
    await s.settle(DEV, State.UPGRADED)


async def rollback(s: Story) -> None:
    await s.ask("POST", DEV, "rollback")
    await s.settle(DEV, State.HEALTHY)


async def upgrade_that_fails(s: Story) -> None:
    s.engine.behave("web", Behaviour(ready_after=None, unhealthy_after=SECOND), image=f"{LAB}/web@{BROKEN}")
    s.edit("web", image=f"{LAB}/web:broken")
    await s.up()
    await s.settle(DEV, State.FAILED)


async def rollback_of_what_failed(s: Story) -> None:
    await rollback(s)


async def rollback_in_the_middle(s: Story) -> None:
    s.edit("web", image=f"{LAB}/web:1", environment={"COLOUR": "pink"})
    await s.up()
    await s.begin()
    await rollback(s)


async def restart(s: Story) -> None:
    await s.ask("POST", DEV, "restart", services=["web"])
    await s.settle(DEV, State.HEALTHY)


async def replacement_by_force(s: Story) -> None:
    await s.up(force=True)
    await s.settle(DEV, State.UPGRADED)


async def another_service_instead(s: Story) -> None:
    s.services = {"db": s.services["db"], "front": s.services["web"]}
    await s.up()
    await s.settle(DEV, State.UPGRADED)


async def confirm_what_is_gone(s: Story) -> None:
    await confirm(s)


async def promote(s: Story) -> None:
    await s.ask("POST", DEV, "promote", to="production", secrets={"password": "b3RoZXI="}, expect_generation=0)
    await s.settle(PROD, State.HEALTHY)


async def upgrade_that_fails_in_production(s: Story) -> None:
    broken = Behaviour(ready_after=None, exits_after=SECOND / 5, exit_code=3)
    s.engine.behave("front", broken, image=f"{LAB}/web@{BROKEN}")
    s.edit("front", image=f"{LAB}/web:broken")
    await s.up(PROD)
    await s.settle(PROD, State.HEALTHY)


async def upgrade_that_confirms_itself(s: Story) -> None:
    s.edit("front", image=f"{LAB}/web:1", environment={"COLOUR": "gold"})
    await s.up(PROD, **{"top_x-spin": {"confirm_after": "10s"}})
    await s.settle(PROD, State.HEALTHY)


async def removal_in_the_middle(s: Story) -> None:
    s.edit("front", environment={"COLOUR": "grey"})
    await s.up()
    await s.begin()
    await s.ask("DELETE", DEV)
    await s.settle(DEV, State.REMOVED)


async def removal_with_volumes(s: Story) -> None:
    await s.ask("DELETE", PROD, volumes=True)
    await s.settle(PROD, State.REMOVED)


CHAPTERS: tuple[Callable[[Story], Awaitable[None]], ...] = (
    first_up,
    upgrade,
    confirm,
    upgrade_of_both,
    scale_up,
    scale_down,
    stop,
    start,
    rollback,
    upgrade_that_fails,
    rollback_of_what_failed,
    rollback_in_the_middle,
    restart,
    replacement_by_force,
    another_service_instead,
    confirm_what_is_gone,
    promote,
    upgrade_that_fails_in_production,
    upgrade_that_confirms_itself,
    removal_in_the_middle,
    removal_with_volumes,
)


@dataclass(frozen=True)
class Play:
    """What was seen of one."""

    pictures: tuple[Any, ...]
    points: tuple[int, ...]
    """How many were passed in each chapter."""
    kills: int
    platforms: int


async def play(folder: Path, *, addresses: bool, seed: int, fatal: Sequence[Collection[int]] = ()) -> Play:
    """`fatal`: the points of each chapter at which the platform dies."""
    await asyncio.to_thread(folder.mkdir)
    async with new_world(folder) as api:
        api.images.known[f"{LAB}/web:broken"] = BROKEN
        reaper = Reaper(random.Random(seed))
        story = Story(api, reaper, addresses=addresses)
        await story.be_born()
        pictures, points = [], []
        for number, chapter in enumerate(CHAPTERS):
            story.chapter = number
            reaper.watch(fatal[number] if fatal else ())
            await chapter(story)
            pictures.append(await story.picture())
            points.append(reaper.passed)
        return Play(tuple(pictures), tuple(points), reaper.kills, story.platforms)


def every(points: Sequence[int], step: int, shard: int) -> Iterator[list[list[int]]]:
    """Plays that together die at each `step`th point of every chapter, once in a chapter."""
    for at in range(1 + shard * step, max(points) + 1, SHARDS * step):
        yield [[at] if at <= most else [] for most in points]


def some(points: Sequence[int], chance: random.Random) -> Iterator[list[list[int]]]:
    """Plays that die at random points, up to MOST_DEATHS in a chapter."""
    for _ in range(PLAYS):
        yield [chance.sample(range(1, most + 1), min(most, chance.randint(1, MOST_DEATHS))) for most in points]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("addresses", [False, True], ids=["names-only", "service-addresses"])
@pytest.mark.timeout(1800 if EVERY else 180)
async def test_wherever_the_platform_is_killed_the_next_one_reaches_the_same_end(
    tmp_path: Path, addresses: bool, shard: int
) -> None:
    seed = SEED + 10 * shard + addresses
    print(f"SPIN_CHAOS_SEED={SEED}")  # shown with a failure
    untouched = await play(tmp_path / "untouched", addresses=addresses, seed=seed)
    assert (untouched.kills, untouched.platforms) == (0, 1)
    assert len({repr(p) for p in untouched.pictures}) == len(CHAPTERS), "each chapter changes something"
    ends = dict(zip(CHAPTERS, untouched.pictures, strict=True))
    assert ends[rollback][0]["containers"] == ends[confirm][0]["containers"], "the very containers that were kept"
    kills = 0
    plays = every(untouched.points, EVERY, shard) if EVERY else some(untouched.points, random.Random(seed))
    for number, fatal in enumerate(plays):
        seen = await play(tmp_path / f"play-{number}", addresses=addresses, seed=seed + 1000 * number, fatal=fatal)
        assert seen.platforms == 1 + seen.kills
        for chapter, points, was, should in zip(CHAPTERS, fatal, seen.pictures, untouched.pictures, strict=True):
            assert was == should, f"{chapter.__name__}, killed at points {points} (play {number}, SPIN_CHAOS_SEED={SEED})"
        kills += seen.kills
    assert EVERY or kills >= LEAST_KILLS
    print(f"{kills} kills, points of the chapters: {untouched.points}")
