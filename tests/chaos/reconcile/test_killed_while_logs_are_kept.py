"""The platform is killed at every point between the look at a container's log and the container's removal: whoever reads the log then, or
later, gets each line of it once.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from spin.archive import FileArchive
from spin.edge.simulated import SimulatedEdge
from spin.model.names import InstanceId
from spin.reconcile.passes import Pass
from spin.reconcile.passes import World as Surroundings
from support.api import World, key_of, new_world, path, web
from support.mortal import Killed, MortalArchive, MortalEdge, MortalEngine, MortalStore, Reaper

SHOP = key_of("shop")
LINES = ["started", "ready", "one", "two", "two", "three"]
"""What each container has written; some of it at one and the same time."""


class Play:
    """A stack is upgraded; then its old containers go, and the platform dies at one of the points on the way."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.reaper = Reaper(random.Random(1))
        self.archive = FileArchive(folder, world.platform.site.retention)
        self.edge = SimulatedEdge()
        self.written: set[InstanceId] = set()

    async def be_born(self) -> None:
        self.reaper.bear()
        surroundings = Surroundings(
            self.world.platform.site,
            MortalStore(self.world.store, self.reaper),  # type: ignore[arg-type] - the store with a death in between
            {"docker": MortalEngine(self.world.engine, self.reaper)},  # type: ignore[dict-item] - likewise
            MortalEdge(self.edge, self.reaper),
            self.world.clock,
            lambda _: None,
            archive=MortalArchive(self.archive, self.reaper),
        )
        self.world.passes = Pass(surroundings)
        await self.world.exchange(archive=self.archive)

    async def settle(self) -> None:
        quiet = 0
        for _ in range(200):
            try:
                wait = await self.world.passes.run(SHOP)
            except Killed:
                await self.be_born()
                await self.read()
                continue
            quiet = quiet + 1 if wait is None else 0
            if wait != timedelta(0):
                self.world.clock.forward(timedelta(seconds=1))
            if quiet > 3:
                return
        raise AssertionError("it does not settle")

    async def upgrade(self) -> None:
        for word in ("one", "two"):
            await self.world.up(services={"web": web(environment={"A": word}, scale=2)})
            await self.settle()
            for container in self.world.engine.containers(SHOP):
                if container.running:
                    for text in LINES[2:]:
                        container.log(self.world.clock.now(), "stdout", text)
                    self.written.add(container.id)
            self.world.clock.forward(timedelta(seconds=1))
        assert len(self.written) == 4

    async def read(self) -> Mapping[str, list[str]]:
        """What each container has written, wherever it is now."""
        answer = await self.world.as_("vera").get(path("shop") + "/logs", params={"removed": "true"})
        assert answer.status_code == 200, answer.text
        found: dict[str, list[str]] = defaultdict(list)
        for line in answer.text.splitlines():
            said = json.loads(line)
            found[said["id"]].append(said["text"])
        for one in self.written:
            assert found[one][: len(LINES)] == LINES, f"death {self.reaper.kills} at {self.reaper.passed}"
            assert [text for text in found[one][len(LINES) :] if text in LINES] == []
        return found


async def play(folder: Path, ending: str, fatal: int) -> int:
    """How many points there were."""
    async with new_world(folder) as world:
        one = Play(world, folder / "logs")
        await one.be_born()
        await one.upgrade()
        one.reaper.watch({fatal})
        if ending == "confirm":
            await world.as_("dora").post(path("shop") + "/confirm", json={})
        else:
            await world.as_("otto").delete(path("shop"))
        await one.settle()
        points = one.reaper.passed
        await one.read()
        gone = one.written - {c.id for c in world.engine.containers(SHOP)}
        assert len(gone) == (2 if ending == "confirm" else 4)
        assert one.reaper.kills == (1 if fatal else 0)
        return points


@pytest.mark.parametrize("ending", ["confirm", "rm"])
async def test_wherever_the_platform_is_killed_while_containers_go_each_line_of_their_logs_is_read_once(
    tmp_path: Path, ending: str
) -> None:
    folders = (tmp_path / str(number) for number in itertools.count())
    points = await play(made(next(folders)), ending, 0)
    assert points > 20
    for fatal in range(1, points + 1):
        await play(made(next(folders)), ending, fatal)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
