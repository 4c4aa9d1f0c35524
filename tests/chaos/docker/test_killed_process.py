"""`spin serve` is killed with SIGKILL at random moments of every verb, on a real engine, and the next start goes on to the same end.

A stack of three services is brought up, upgraded, scaled, rolled back, upgraded again, confirmed, copied and removed: first undisturbed,
which also tells how long each chapter takes, then with a platform that dies within each chapter, here and there twice. What is
on the engine and what the platform says has to be the same at the end of each chapter.

The moments come from a seed that is printed; SPIN_CHAOS_SEED repeats it, as far as a real machine repeats anything.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from spin.client import Client, Stack
from spin.errors import NotFound
from support.api import submission
from support.platform import RunningPlatform, docker, eventually

SEED = int(os.environ.get("SPIN_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
SHARDS = 2
TWICE = 2
"""Chapters of each shard with a second death, after the first start."""
SETTLES_WITHIN = 90.0
CALLS = {"web": "api", "api": "db", "db": "api"}
"""Whom the containers of each service call."""
SERVE = "exec busybox httpd -f -p 8080 -h"


@dataclass
class Story:
    """One stack's life, and what there is of it."""

    platform: RunningPlatform
    image: str
    name: str
    chapter: int = 0
    born: dict[str, int] = field(default_factory=dict)
    """The chapter at whose end a container or volume was first seen: it stands for the thing's identity."""
    environments: dict[str, dict[str, str]] = field(default_factory=lambda: {"web": {}, "api": {}, "db": {}})

    @contextmanager
    def stack(self, environment: str = "development") -> Iterator[Stack]:
        with closing(Client(self.platform.url, self.platform.key)) as client:
            yield client.stack("demo", environment, self.name)

    def document(self) -> dict[str, Any]:
        """The stack as a submission, with the services' environment variables as they stand now."""
        common: dict[str, Any] = {
            "image": self.image,
            "entrypoint": ["/bin/busybox", "sh", "-c"],
            "init": True,
            "stop_grace_period": "5s",
            "x-spin": {"http": 8080},
        }
        page = {"tmpfs": ["/www:mode=1777"], "user": "1000:1000"}
        hostname = f"busybox hostname > /www/index.html; {SERVE} /www"
        kept = f"[ -f /data/index.html ] || busybox hostname > /data/index.html; {SERVE} /data"
        services = {
            "web": common | page | {"command": [hostname], "depends_on": ["api"], "scale": 2},
            "api": common | page | {"command": [hostname], "depends_on": ["db"]},
            "db": common | {"command": [kept], "volumes": ["data:/data"], "configs": ["settings"]},
        }
        for service, variables in self.environments.items():
            services[service]["environment"] = variables
        return submission(
            services=services,
            configs={"settings": b"shared = 1"},
            top_configs={"settings": {"file": "x"}},
            top_volumes={"data": {}},
        )

    def up(self, **changed: str) -> None:
        """Deploy, with another environment variable in the services that are named."""
        for service, value in changed.items():
            self.environments[service] = {"COLOUR": value}
        with self.stack() as stack:
            stack.deploy(self.document())

    def get(self, service: str, environment: str = "development") -> str:
        """What the service answers over the edge."""
        status, text = self.platform.get(f"{service}.{self.name}.{environment}.spin.localhost")
        assert status == 200, f"{service} in {environment}: {status} {text}"
        return text.strip()

    # What is there.

    def is_settled(self) -> bool:
        return all(view is None or view["settled"] for view in self._views())

    def _views(self) -> list[Any]:
        return [self._view("development"), self._view("production")]

    def _view(self, environment: str) -> Any:
        with self.stack(environment) as stack:
            try:
                return stack.view()
            except NotFound:
                return None

    def picture(self) -> dict[str, Any]:
        """Without what may differ: ids, times, names, and how often something was tried."""
        label = f"label=spin.site={self.platform.site_id}"
        mine = ("--filter", label, "--filter", f"label=spin.stack={self.name}")
        containers = _inspect("container", docker("ps", "-aq", "--no-trunc", *mine).split())
        networks = _inspect("network", docker("network", "ls", "-q", *mine).split())
        volumes = _inspect("volume", docker("volume", "ls", "-q", *mine).split())
        return {
            "containers": sorted(self._container(c) for c in containers),
            "networks": Counter(_label(n, "environment") for n in networks),
            "volumes": Counter(f"{_label(v, 'environment')} {_label(v, 'kind')}" for v in volumes),
            "data": sorted(self._data(v) for v in volumes if _label(v, "kind") == "volume"),
            "views": [None if view is None else _said(view) for view in self._views()],
            "revisions": self._revisions(),
            "answers": self._answers(),
            "calls": sorted(self._call(c) for c in containers if c["State"]["Status"] == "running"),
            "addresses": self._addresses(),
        }

    def _container(self, inspected: Any) -> tuple[Any, ...]:
        words = [_label(inspected["Config"], name) for name in ("environment", "kind", "service", "slot")]
        return *words, inspected["State"]["Status"], self.born.setdefault(inspected["Id"], self.chapter)

    def _data(self, volume: Any) -> tuple[Any, ...]:
        identity = f"{volume['Name']} {volume['CreatedAt']}"
        return _label(volume, "environment"), _label(volume, "name"), self.born.setdefault(identity, self.chapter)

    def _revisions(self) -> object:
        with self.stack() as stack:
            try:
                return [(r["number"], r["origin"]) for r in stack.revisions()]
            except NotFound:
                return None

    def _answers(self) -> object:
        """Who answers over the edge: the stack's containers, and the file that the first container has left in the volume."""
        found = {}
        for environment in ("development", "production"):
            if (view := self._view(environment)) is not None and view["urls"]:
                for service in ("web", "api", "db"):
                    self.get(service, environment)
                writer = self.get("db", environment)
                found[environment] = self.born.setdefault(f"written by {writer}", self.chapter)
        return found

    def _call(self, inspected: Any) -> tuple[str, str, str]:
        """What a container hears from the service that it depends on, by its name within the stack."""
        service = _label(inspected["Config"], "service")
        other = CALLS[service]
        asked = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 {other} 8080"

        def heard() -> str:  # nothing at first, where its process runs and does not listen yet: the services have no health check
            return docker("exec", inspected["Id"], "/bin/busybox", "sh", "-c", asked).partition("\r\n")[0]

        return service, other, eventually(heard, what=f"{service} reaches {other}")

    def _addresses(self) -> Counter[str]:
        """The table of service addresses, where there is one: how many containers it has for each service of the stack."""
        found: Counter[str] = Counter()
        service = ""
        if shutil.which("nft") is None:
            return found
        table = f"spin-{self.platform.site_id}"
        done = subprocess.run(["nft", "list", "table", "ip", table], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            words = line.split()
            if words[:1] == ["chain"]:
                parts = words[1].split("/")
                service = f"{parts[2]} {parts[5]}" if self.name in parts else ""
                found[service] += 0
            elif service and words[-3:-1] == ["dnat", "to"]:
                found[service] += 1
        del found[""]
        return found


def _inspect(kind: str, names: Sequence[str]) -> list[Any]:
    return json.loads(docker(kind, "inspect", *names)) if names else []


def _label(inspected: Any, name: str) -> str:
    return inspected["Labels"][f"spin.{name}"]


def _said(view: Any) -> object:
    services = [(s["name"], s["state"], s["ready"], s["wanted"], s["detail"]) for s in view["services"]]
    base = view["upgrade"] and view["upgrade"]["base"]
    return view["state"], view["detail"], view["revision"], view["generation"], base, services


# The chapters.


def up(s: Story) -> None:
    s.up()


def upgrade(s: Story) -> None:
    s.up(web="blue", api="blue")


def scale_up(s: Story) -> None:
    with s.stack() as stack:
        stack.scale({"web": 4})


def scale_down(s: Story) -> None:
    with s.stack() as stack:
        stack.scale({"web": 1})


def rollback(s: Story) -> None:
    with s.stack() as stack:
        stack.rollback()


def upgrade_with_a_volume(s: Story) -> None:
    s.up(web="red", db="red")


def confirm(s: Story) -> None:
    with s.stack() as stack:
        stack.confirm()


def promote(s: Story) -> None:
    with s.stack() as stack:
        stack.promote("production", {})


def removal(s: Story) -> None:
    with s.stack() as stack:
        stack.remove()


def removal_with_volumes(s: Story) -> None:
    with s.stack("production") as stack:
        stack.remove(volumes=True)


CHAPTERS: tuple[Callable[[Story], None], ...] = (
    up,
    upgrade,
    scale_up,
    scale_down,
    rollback,
    upgrade_with_a_volume,
    confirm,
    promote,
    removal,
    removal_with_volumes,
)
SERVING = range(1, 8)
"""The chapters in all of which the service `web` has to answer, also while no platform runs."""


def play(story: Story) -> Iterator[tuple[Callable[[Story], None], float]]:
    """One chapter after the other: asked for when it is yielded; the seconds since then count towards what it takes."""
    for number, chapter in enumerate(CHAPTERS):
        story.chapter = number
        chapter(story)
        yield chapter, time.monotonic()


def settled(story: Story) -> dict[str, Any]:
    eventually(story.is_settled, within=SETTLES_WITHIN, what=f"{CHAPTERS[story.chapter].__name__} is settled")
    return story.picture()


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(900)
def test_a_platform_that_is_killed_at_random_moments_reaches_the_same_end(
    platform: RunningPlatform, image: str, shard: int
) -> None:
    print(f"SPIN_CHAOS_SEED={SEED}")  # shown with a failure
    chance = random.Random(SEED + shard)
    before = platform.objects()
    expected, seconds = [], []
    calm = Story(platform, image, f"calm{shard}")
    for _, began in play(calm):
        expected.append(settled(calm))
        seconds.append(time.monotonic() - began)
    ends = dict(zip(CHAPTERS, expected, strict=True))
    assert ends[rollback]["containers"] == ends[up]["containers"], "the very containers that were kept"
    print("undisturbed:", [f"{c.__name__} {s:.1f} s" for c, s in zip(CHAPTERS, seconds, strict=True)])

    killed = Story(platform, image, f"killed{shard}")
    twice = chance.sample(range(len(CHAPTERS)), TWICE)
    kills = 0
    for chapter, _ in play(killed):
        number = killed.chapter
        moments = [chance.uniform(0, seconds[number]) for _ in range(2 if number in twice else 1)]
        for moment in moments:
            time.sleep(moment)  # the moment of death is the input of this test, not a wait for something
            platform.kill()
            kills += 1
            if number in SERVING:
                killed.get("web")
            platform.start()
        seen = settled(killed)
        assert seen == expected[number], (
            f"{chapter.__name__}, killed {[round(m, 2) for m in moments]} s after it was asked for (SPIN_CHAOS_SEED={SEED})"
        )
    assert kills == len(CHAPTERS) + TWICE
    left = {kind: sorted(set(names) - set(before[kind])) for kind, names in platform.objects().items()}
    data = [f"spin-{platform.site_id}_development_{story.name}_data" for story in (calm, killed)]
    assert left == {"containers": [], "networks": [], "volumes": data}
