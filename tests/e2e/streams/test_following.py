"""Following goes on over whatever happens in between: every line once, none lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.platform import SPIN, RunningPlatform, docker, eventually, running_platform
from support.tiny import Stack, prepare

COMPOSE = """\
services:
  app:
    image: {image}
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command:
      - >-
        read life < /proc/sys/kernel/random/uuid; n=0;
        while :; do n=$$((n+1)); echo $$life $$n; echo $$life $$n >&2; busybox usleep 20000; done
    init: true
    user: "1000:1000"
    restart: always
    deploy: {{replicas: "${{COUNT:-1}}"}}
    environment: {{WORD: "${{WORD:-one}}"}}
    stop_grace_period: 1s
"""
PROGRAM = """\
import asyncio, json, os
from contextlib import aclosing
from spin.client import AsyncClient
from spin.model.log import for_programs

async def main():
    async with AsyncClient(os.environ["SPIN_URL"], os.environ["SPIN_TOKEN"]) as spin:
        feed = spin.stack("demo", "development", "talk").log_feed(follow=True)
        async with aclosing(feed.blocks()) as blocks:
            async for block in blocks:
                for line in block.lines.splitlines():
                    print(json.dumps(for_programs(block.instance, block.id, (line[:30], block.stream, line[31:]))), flush=True)

asyncio.run(main())
"""
"""Prints what `spin logs -f --json` does, with the asynchronous client."""
Lines = dict[tuple[str, str, str], list[int]]
"""Numbers in their order, by container, stream, and life of the process."""


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RunningPlatform]:
    """A platform of this test alone, as it is killed."""
    with running_platform(tmp_path) as platform:
        yield platform


@pytest.fixture
def stack(mortal: RunningPlatform, tmp_path: Path) -> Stack:
    folder = tmp_path / "talk"
    folder.mkdir()
    prepare(folder)
    stack = Stack(mortal, folder, "talk")
    stack.spin("build")
    stack.spin("push")
    stack.write(COMPOSE.format(image=f"{mortal.registry}/demo/tiny:1.0"))
    stack.spin("up", "--timeout", "60")
    return stack


@contextmanager
def following(stack: Stack, out: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    platform = stack.platform
    variables = {"SPIN_URL": platform.url, "SPIN_TOKEN": platform.key, "SPIN_PROJECT": "demo"}
    with out.open("wb") as file:
        child = subprocess.Popen(command, env=os.environ | variables, stdout=file, stderr=subprocess.PIPE)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stderr.close()  # type: ignore[union-attr]


def said(text: str) -> list[Any]:
    """The JSON lines that are whole."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def lines_of(text: str) -> Lines:
    found: Lines = defaultdict(list)
    for line in said(text):
        life, number = line["text"].split()
        found[line["id"], line["stream"], life].append(int(number))
    return dict(found)


def numbers_of(text: str) -> list[int]:
    return [event["number"] for event in said(text)]


def containers(stack: Stack) -> set[str]:
    chosen = ("--filter", f"label=spin.site={stack.platform.site_id}", "--filter", "label=spin.kind=container")
    return set(docker("ps", "-q", "--no-trunc", *chosen).split())


@pytest.mark.timeout(300)
def test_logs_and_events_are_followed_over_restarts_kills_upgrades_and_scaling_and_nothing_is_lost_or_comes_twice(
    mortal: RunningPlatform, stack: Stack, tmp_path: Path
) -> None:
    out, happened, later = tmp_path / "out", tmp_path / "happened", tmp_path / "later"
    before = numbers_of(mortal.spin("events", "--json").stdout)
    with (
        following(stack, tmp_path / "fed", sys.executable, "-c", PROGRAM) as program,
        following(stack, later, SPIN, "events", "-f", "--since", "2099-01-01", "--json"),
        following(stack, happened, SPIN, "events", "-f", "-n", "1000", "--json") as events,
        following(stack, out, SPIN, "logs", "-f", "--json", "talk") as child,
    ):

        def goes_on() -> None:
            """Each of the containers that run now has said something that has arrived."""
            size, running = out.stat().st_size, containers(stack)
            assert running
            eventually(lambda: running <= {i for i, _, _ in lines_of(out.read_text()[size:].partition("\n")[2])})

        goes_on()
        eventually(lambda: happened.stat().st_size and (tmp_path / "fed").stat().st_size)
        eventually(
            lambda: stack.spin("exec", "talk/app", "/bin/busybox", "true") and later.stat().st_size, what="what comes is told"
        )
        mortal.kill()
        mortal.start()
        goes_on()
        [one] = containers(stack)
        docker("exec", one, "/bin/busybox", "sh", "-c", "kill -9 -1", check=False)  # the container is started again by the engine
        goes_on()
        mortal.stop()
        docker("restart", "-t", "0", one)  # with nobody there who would see it
        mortal.start()
        goes_on()
        stack.spin("scale", "talk/app=3", "--timeout", "60")
        goes_on()
        mortal.kill()
        mortal.start()
        stack.spin("up", "-d", env={"WORD": "two", "COUNT": "3"})
        eventually(lambda: len(containers(stack) - {one}) > 2)
        mortal.kill()  # in the middle of the upgrade
        mortal.start()
        stack.spin("wait", "talk", "--timeout", "60")
        goes_on()
        stack.spin("confirm", "talk")
        stack.spin("scale", "talk/app=1", "--timeout", "60")
        goes_on()
        mortal.kill()
        mortal.start()
        goes_on()
        stack.spin("rm", "talk", "--yes")
        assert child.wait(60) == 0
        assert child.stderr.read() == b""  # type: ignore[union-attr]
        assert (program.wait(60), program.stderr.read()) == (0, b"")  # type: ignore[union-attr]
        check_events(stack, happened, later, before)
        assert events.poll() is None
    kept = lines_of(mortal.spin("logs", "-a", "--json", "talk").stdout)
    for file in (out, tmp_path / "fed"):
        check_lines(lines_of(file.read_text()), kept)


def check_events(stack: Stack, happened: Path, later: Path, before: list[int]) -> None:
    platform = stack.platform
    eventually(lambda: numbers_of(happened.read_text()) == numbers_of(platform.spin("events", "-n", "1000", "--json").stdout))
    assert 100 < len(numbers_of(happened.read_text())) < 1000
    after = numbers_of(later.read_text())
    assert after[0] > before[-1]
    assert after == [n for n in numbers_of(happened.read_text()) if n >= after[0]]


def check_lines(found: Lines, kept: Lines) -> None:
    assert len({one for one, _, _ in kept}) == 6, "one, two more, three of the upgrade"
    assert len({life for _, _, life in kept}) == 8, "two lives more of the first one"
    for lives in (found, kept):
        assert {who: numbers for who, numbers in lives.items() if numbers != list(range(1, len(numbers) + 1))} == {}
    assert {who: len(numbers) for who, numbers in found.items()} == {who: len(numbers) for who, numbers in kept.items()}
