"""Two people change one stack from two terminals at the same time: nothing that was accepted is lost, and nothing is half done."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from spin.client import Client, Stack
from spin.errors import Conflict
from support.api import submission
from support.platform import RunningPlatform, docker, eventually

SEED = int(os.environ.get("SPIN_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
ROUNDS = 14
"""Of each terminal."""


@dataclass(frozen=True)
class Content:
    """What a revision asks for, as far as this test changes it."""

    colour: str
    replicas: int = 1


@dataclass
class Terminal:
    """One person, who remembers what was accepted."""

    platform: RunningPlatform
    image: str
    name: str
    stack_name: str
    chance: random.Random
    together: threading.Barrier
    """Both ask at the same moment."""
    accepted: dict[int, tuple[str, Any]] = field(default_factory=dict)
    """By revision: the verb and what was asked for."""
    refused: int = 0

    @contextmanager
    def stack(self) -> Iterator[Stack]:
        with closing(Client(self.platform.url, self.platform.key)) as client:
            yield client.stack("demo", "development", self.stack_name)

    def up(self, stack: Stack, colour: str, generation: int | None = None) -> None:
        service = {
            "image": self.image,
            "entrypoint": ["/bin/busybox", "sleep", "100000"],
            "stop_signal": "SIGKILL",
            "environment": {"COLOUR": colour},
        }
        answer = stack.deploy(submission(services={"web": service}), expect_generation=generation)
        self._note(answer, "up", colour, generation)

    def work(self) -> None:
        with self.stack() as stack:
            for number in range(ROUNDS):
                view = stack.view()
                self.together.wait(60)
                try:
                    self._change(stack, view, f"{self.name}-{number}")
                except Conflict:
                    self.refused += 1
                time.sleep(self.chance.uniform(0, 0.5))  # so that the controller is somewhere else each time

    def _change(self, stack: Stack, view: Any, colour: str) -> None:
        seen: int = view["generation"]
        match self.chance.choice(("up", "up as it is", "scale", "rollback")):
            case "up":
                self.up(stack, colour, seen)
            case "up as it is":
                self.up(stack, colour)
            case "scale":
                replicas = self.chance.randint(1, 3)
                answer = stack.scale({"web": replicas}, expect_generation=seen)
                if answer["revision"] != view["revision"]:  # it may have that many already
                    self._note(answer, "scale", replicas, seen)
            case "rollback":
                self._note(stack.rollback(expect_generation=seen), "rollback", None, seen)

    def _note(self, answer: Any, verb: str, what: Any, seen: int | None) -> None:
        assert seen is None or answer["generation"] == seen + 1, "something came between that was not to"
        assert answer["revision"] not in self.accepted
        self.accepted[answer["revision"]] = (verb, what)


def contents(revisions: list[Any], accepted: dict[int, tuple[str, Any]]) -> dict[int, Content]:
    """What each revision has to ask for, by the answers that people got."""
    found: dict[int, Content] = {}
    for revision in revisions:
        number = revision["number"]
        verb, what = accepted[number]
        assert revision["origin"] == verb
        if verb == "up":
            found[number] = Content(what)
        elif verb == "scale":
            found[number] = Content(found[number - 1].colour, what)
        else:
            found[number] = found[int(revision["note"].removeprefix("to revision "))]
    return found


@pytest.mark.timeout(300)
def test_what_was_accepted_is_kept_and_the_last_of_it_runs(platform: RunningPlatform, image: str) -> None:
    print(f"SPIN_CHAOS_SEED={SEED}")  # shown with a failure
    name, together = "terminals", threading.Barrier(2)
    people = [Terminal(platform, image, who, name, random.Random(f"{SEED} {who}"), together) for who in ("ada", "bob")]
    mine = f"label=spin.site={platform.site_id}", f"label=spin.stack={name}"
    with people[0].stack() as stack:
        people[0].up(stack, "first", 0)
        eventually(lambda: stack.view()["state"] == "healthy", what="the first revision runs")
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(person.work) for person in people]:
                done.result()
        eventually(lambda: stack.view()["settled"], within=90, what="the stack is settled")
        revisions = sorted(stack.revisions(), key=lambda r: r["number"])
        accepted = people[0].accepted | people[1].accepted
        assert len(accepted) == sum(len(p.accepted) for p in people), "a revision is one person's"
        assert [r["number"] for r in revisions] == list(range(1, len(accepted) + 1))
        last = contents(revisions, accepted)[len(accepted)]
        running = docker("ps", "-q", *(word for one in mine for word in ("--filter", one))).split()
        found = [c["Config"]["Env"] for c in json.loads(docker("inspect", *running))]
        assert len(found) == last.replicas
        assert all(f"COLOUR={last.colour}" in variables for variables in found)
        print(f"{len(accepted)} accepted, {sum(p.refused for p in people)} refused")
        assert any(p.refused for p in people), "they were in each other's way"
        stack.remove()
    eventually(lambda: not docker("ps", "-aq", *(word for one in mine for word in ("--filter", one))), what="it is gone")
