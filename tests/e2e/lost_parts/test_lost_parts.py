"""Parts that die, or are not there: the platform says so, stays up, and goes on when they are back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.platform import RunningPlatform, docker, eventually, free_ports, running_platform
from support.tiny import Stack, prepare
from support.wire import Wire


@pytest.fixture
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    wire = Wire(tmp_path_factory.mktemp("w") / "d.sock")
    wire.join()
    yield wire
    wire.cut()


@pytest.fixture
def fragile(wire: Wire, tmp_path: Path) -> Iterator[RunningPlatform]:
    """A platform of this test alone, whose wire to the engine can be cut."""
    with running_platform(tmp_path, environment={"DOCKER_HOST": wire.url}) as platform:
        yield platform


@pytest.fixture
def stack(fragile: RunningPlatform, tmp_path: Path) -> Stack:
    folder = tmp_path / "lost"
    folder.mkdir()
    prepare(folder)
    stack = Stack(fragile, folder, "lost")
    stack.ship()
    return stack


def test_an_engine_that_is_gone_is_said_and_the_platform_goes_on_when_it_is_back(
    fragile: RunningPlatform, stack: Stack, wire: Wire
) -> None:
    stack.spin("up")
    wire.cut()
    eventually(lambda: not fragile.json("environment", "ls")[0]["reachable"], what="environment ls says that the engine is gone")
    assert fragile.spin("ps").returncode == 0
    assert stack.get()[0] == 200, "what runs is still reached"
    refused = stack.spin("up", check=False, env={"GREETING": "later"})
    assert refused.returncode == 1
    assert "engine" in refused.stderr.lower()
    wire.join()
    eventually(lambda: fragile.json("environment", "ls")[0]["reachable"], what="environment ls says that the engine is back")
    stack.spin("up", env={"GREETING": "later"})
    assert stack.get()[0] == 200


def test_an_engine_that_goes_away_in_the_middle_of_an_upgrade_is_back_and_the_upgrade_goes_on(
    fragile: RunningPlatform, stack: Stack, wire: Wire
) -> None:
    stack.spin("up")
    for moment in (0.1, 0.4, 0.8, 1.5):
        stack.spin("up", "-d", env={"GREETING": f"after {moment} s"})
        time.sleep(moment)  # the moment at which it goes away is the input of this test, not a wait for something
        wire.cut()
        eventually(lambda: not fragile.json("environment", "ls")[0]["reachable"])
        assert stack.get()[0] == 200, "what runs is still reached"
        wire.join()
        eventually(lambda: [s["state"] for s in fragile.json("stack", "ls")] == ["upgraded"], what="the upgrade is complete")
        assert stack.get()[0] == 200
        assert len(fragile.objects()["containers"]) == 2, "the new container, and the one that is kept"
        stack.spin("confirm", "lost")
        assert len(fragile.objects()["containers"]) == 1


def test_a_platform_without_an_engine_comes_up_and_takes_it_when_it_appears(tmp_path: Path, wire: Wire) -> None:
    wire.cut()
    with running_platform(tmp_path, environment={"DOCKER_HOST": wire.url}) as platform:
        assert not platform.json("environment", "ls")[0]["reachable"]
        wire.join()
        eventually(lambda: platform.json("environment", "ls")[0]["reachable"])


def children(platform: RunningPlatform, word: str) -> list[int]:
    """Processes that belong to this platform's data directory and run `word`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(platform.data).encode() in b" ".join(command) and word.encode() in command[0]:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("part", ["caddy", "registry"])
def test_a_part_that_is_killed_is_back_by_itself(fragile: RunningPlatform, stack: Stack, part: str) -> None:
    stack.spin("up")
    [before] = eventually(lambda: children(fragile, part))
    os.kill(before, signal.SIGKILL)
    eventually(lambda: children(fragile, part) not in ([], [before]), what=f"a new {part}")
    eventually(lambda: stack.get()[0] == 200, what="the route is back")
    stack.spin("push")


def test_a_platform_that_is_killed_leaves_the_stacks_running_and_the_next_start_goes_on(
    fragile: RunningPlatform, stack: Stack
) -> None:
    stack.spin("up")
    fragile.kill()
    assert stack.get()[0] == 200, "the edge serves without the platform"
    fragile.start()
    assert stack.get()[0] == 200
    stack.spin("up", env={"GREETING": "again"})
    assert stack.get()[0] == 200


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.5, 1.0])
def test_a_platform_that_is_killed_in_the_middle_of_up_gets_there_at_the_next_start(
    fragile: RunningPlatform, stack: Stack, moment: float
) -> None:
    stack.spin("up", "-d")
    time.sleep(moment)  # the moment of death is the input of this test, not a wait for something
    fragile.kill()
    fragile.start()
    eventually(lambda: stack.get()[0] == 200)
    assert len(fragile.objects()["containers"]) == 1


def test_stopping_the_platform_stops_its_parts_and_leaves_the_containers(fragile: RunningPlatform, stack: Stack) -> None:
    stack.spin("up")
    assert fragile.stop() == 0
    assert children(fragile, "") == []
    assert len(fragile.objects()["containers"]) == 1
    fragile.start()
    eventually(lambda: stack.get()[0] == 200)


def test_taken_ports_are_named_with_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with running_platform(tmp_path / "first") as first:
        second = RunningPlatform(tmp_path / "second" / "data", "other", first.api_port, first.edge_port, free_ports(1)[0])
        (tmp_path / "second").mkdir()
        done = subprocess.run(second.arguments(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        for words in (f"{first.api_port}", f"{first.edge_port}", "--api-port", "--edge-port"):
            assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_two_platforms_cannot_share_a_data_directory(tmp_path: Path) -> None:
    with running_platform(tmp_path) as first:
        done = subprocess.run(first.arguments(), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert str(first.data) in done.stderr


def test_a_container_that_vanishes_is_replaced(fragile: RunningPlatform, stack: Stack) -> None:
    stack.spin("up")
    [name] = fragile.objects()["containers"]
    docker("rm", "-f", name)
    eventually(lambda: stack.get()[0] == 200, what="a new container answers")


def test_a_crashed_container_is_back(fragile: RunningPlatform, stack: Stack) -> None:
    stack.spin("up")
    [name] = fragile.objects()["containers"]
    docker("kill", name)
    eventually(lambda: stack.get()[0] == 200, what="the container answers again")
