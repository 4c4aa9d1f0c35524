"""The machine loses its power, the engine ends: what ran runs again, and what was to rest goes on resting.

The stack has three tiers: web calls api at its stable address, api calls db by DNS on a network that has no way out, and db has a volume.
So one answer over the edge says that the edge, all three and the ways between them are there. The fourth service is stopped by the tests.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spin.addresses.guard import guard_name
from support.machine import Machine, MachinePlatform, lacking, running_machine
from support.platform import eventually
from support.tiny import BASE, Stack, base_image

pytestmark = [pytest.mark.skipif(lacking() != "", reason=lacking()), pytest.mark.timeout(300)]

RUNS = "runs"

DOCKERFILE = f"""\
FROM {BASE}
COPY ask /site/cgi-bin/ask
"""

ASK = """\
#!/bin/sh
busybox hostname > "/scratch/$$" || exit
printf 'Content-Type: text/plain\\n\\n%s %s\\n' "$(busybox cat "/scratch/$$")" "$COLOUR"
[ -n "$NEXT" ] || exec busybox cat /motto /data/first
printf 'GET /cgi-bin/ask HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 "$NEXT" 8080 | busybox sed '1,/^.\\{0,1\\}$/d'
"""

COMPOSE = """\
services:
  web: &common
    build: .
    image: tiers:1.0
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["exec busybox httpd -f -p 8080 -h /site"]
    user: "1000:1000"
    tmpfs: ["/scratch:mode=1777"]
    init: true
    restart: always
    stop_grace_period: 5s
    environment: {NEXT: api, COLOUR: "${COLOUR:-red}"}
    x-spin: {http: 8080}
  api:
    <<: *common
    restart: on-failure
    scale: 2
    environment: {NEXT: db, COLOUR: "${COLOUR:-red}"}
    depends_on: [db]
    networks: [default, back]
    healthcheck: {test: [CMD, /bin/busybox, "true"], interval: 60s}
  db:
    <<: *common
    restart: unless-stopped
    command: ["[ -f /data/first ] || busybox hostname > /data/first; exec busybox httpd -f -p 8080 -h /site"]
    user: "0:0"
    environment: {}
    networks: [back]
    volumes: ["data:/data"]
    configs: [{source: motto, target: /motto}]
  idle:
    <<: *common
networks:
  back: {internal: true}
configs:
  motto: {file: motto}
volumes:
  data: {}
"""


class Tiers(Stack):
    """The stack, and what can be seen of it."""

    platform: MachinePlatform

    @property
    def machine(self) -> Machine:
        return self.platform.machine

    def up(self, colour: str, *options: str) -> None:
        self.spin("up", *options, env={"COLOUR": colour})

    def answer(self) -> str:
        """What web says, and api, and db."""
        status, text = self.get("/cgi-bin/ask")
        assert status == 200, f"{status} {text}"
        return text

    def answers(self, colour: str) -> bool:
        """All three do, with the file that was delivered, and what was written first into the volume."""
        expected = rf"tiers-web-1 {colour}\ntiers-api-[12] {colour}\ntiers-db-1 \nstill there\ntiers-db-1\n"
        return bool(re.fullmatch(expected, self.answer()))

    @contextmanager
    def visitors(self) -> Iterator[list[tuple[str, str]]]:
        """They ask each of the three again and again, also while nobody is there; yields who was asked, and what was answered."""
        answers: list[tuple[str, str]] = []
        ended = threading.Event()

        def ask(service: str) -> None:
            while not ended.wait(0.02):
                with contextlib.suppress(OSError, http.client.HTTPException):
                    status, text = self.get("/cgi-bin/ask", service)
                    if status == 200:
                        answers.append((service, text))

        with ThreadPoolExecutor() as pool:
            for service in ("web", "api", "db"):
                pool.submit(ask, service)
            try:
                yield answers
            finally:
                ended.set()

    def view(self) -> Any:
        """What the platform says of it."""
        return json.loads(self.spin("inspect", self.name).stdout)

    def containers(self) -> dict[str, str]:
        """What the engine says of each container: that it runs, or when it was started last. There are no others on the machine."""
        found = self.machine.containers()
        return {c["Id"]: RUNS if c["State"]["Running"] else c["State"]["StartedAt"] for c in found}

    def picture(self) -> Any:
        """All that is to be the same again, from the platform and from the engine."""
        view = self.view()
        services = [(s["name"], s["state"], s["ready"], s["wanted"]) for s in view["services"]]
        containers = [(c["id"], c["phase"], c["kept"], c["routed"]) for c in view["containers"]]
        return view["state"], view["settled"], view["revision"], view["upgrade"]["base"], services, containers, self.containers()

    def is_again(self, before: Any) -> bool:
        assert self.picture() == before
        return True


@pytest.fixture(scope="module")
def platform() -> Iterator[MachinePlatform]:
    with running_machine() as platform:
        saved = subprocess.run(["docker", "save", base_image()], capture_output=True, check=True).stdout
        platform.machine.docker("load", stdin=saved)
        yield platform


@pytest.fixture(scope="module")
def folder(platform: MachinePlatform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's, with its image in the registry."""
    folder = tmp_path_factory.mktemp("shipped") / "tiers"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "ask").write_text(ASK)
    (folder / "ask").chmod(0o755)
    (folder / "motto").write_text("still there\n")
    (folder / "compose.yaml").write_text(COMPOSE)
    Tiers(platform, folder, "tiers").ship()
    return folder


@pytest.fixture
def tiers(platform: MachinePlatform, folder: Path) -> Iterator[Tiers]:
    """The stack, up and red."""
    tiers = Tiers(platform, folder, "tiers")
    tiers.up("red")
    yield tiers
    tiers.spin("rm", "tiers", "--volumes", "--yes")


@pytest.fixture
def upgraded(tiers: Tiers) -> Tiers:
    """The stack as an upgrade to blue has left it, which nobody has confirmed; and `idle` is stopped."""
    tiers.up("blue")
    tiers.spin("stop", "tiers/idle")
    assert tiers.answers("blue")
    return tiers


@pytest.mark.parametrize("engine_first", [True, False], ids=["engine first", "platform first"])
def test_a_machine_that_lost_its_power_comes_back_as_it_was(upgraded: Tiers, *, engine_first: bool) -> None:
    view, before = upgraded.view(), upgraded.picture()
    with upgraded.visitors() as answers:
        upgraded.platform.reboot(engine_first=engine_first)
        eventually(lambda: upgraded.answers("blue"), what="all three tiers answer")
    assert [(service, text) for service, text in answers if not text.startswith(f"tiers-{service}-")] == [], (
        "answers of another service"
    )
    eventually(lambda: upgraded.is_again(before), within=30, what="the same containers run, and the same rest")
    upgraded.spin("rollback", "tiers")
    assert upgraded.answers("red")
    there = {c["id"] for c in view["containers"] if c["kept"] or c["service"] == "db"}
    resting = {c["id"] for c in view["containers"] if c["kept"] and c["service"] == "idle"}
    assert {name: what == RUNS for name, what in upgraded.containers().items()} == {name: name not in resting for name in there}


def test_after_a_boot_containers_are_kept_off_the_host_before_the_platform_is_there(tiers: Tiers) -> None:
    """What examples/systemd does: the file is loaded, then the engine starts; the platform comes later, or never."""
    machine, platform = tiers.machine, tiers.platform
    table = guard_name(platform.site_id)
    protected = _rules(machine, table)
    platform.power_off()
    machine.power_on()
    machine.run("nft", "-f", f"{machine.disk}/data/guard.nft")
    machine.start_engine()
    assert _rules(machine, table) == protected
    web = eventually(lambda: next(iter(_running(machine, "web")), None), what="the engine has started web again")
    [network] = web["NetworkSettings"]["Networks"].values()
    attempt = f"busybox nc -w 5 {network['Gateway']} 9999 </dev/null 2>/dev/null && echo reached || echo refused"
    with machine.listening(9999):
        assert machine.docker("exec", web["Id"], "/bin/busybox", "sh", "-c", attempt) == "refused\n"
        machine.run("nft", "delete", "table", "inet", table)
        assert machine.docker("exec", web["Id"], "/bin/busybox", "sh", "-c", attempt) == "reached\n", "nothing else refuses it"
    platform.start()
    assert _rules(machine, table) == protected
    eventually(lambda: tiers.answers("red"), what="all three tiers answer")


def _running(machine: Machine, service: str) -> list[Any]:
    return [c for c in machine.containers() if c["State"]["Running"] and c["Config"]["Labels"]["spin.service"] == service]


def _rules(machine: Machine, table: str) -> list[str]:
    """The table as it is listed, but for the name of its writing."""
    return [line for line in machine.run("nft", "list", "table", "inet", table).splitlines() if "written/" not in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_an_engine_that_ended_comes_back_with_what_ran_and_only_that(upgraded: Tiers, number: signal.Signals) -> None:
    before, platform = upgraded.picture(), upgraded.platform
    upgraded.machine.stop_engine(number)
    eventually(lambda: not platform.json("environment", "ls")[0]["reachable"], what="it is told that the engine is gone")
    upgraded.machine.start_engine()
    eventually(lambda: upgraded.is_again(before), within=30, what="the same containers run, and the same rest")
    assert upgraded.answers("blue")


@pytest.mark.parametrize("power", [True, False], ids=["power fails", "engine is killed"])
def test_an_upgrade_that_is_interrupted_comes_to_its_end(tiers: Tiers, *, power: bool) -> None:
    old = {c["id"]: c["service"] for c in tiers.view()["containers"]}
    tiers.up("blue", "--detach")
    eventually(lambda: tiers.containers().keys() - old.keys(), what="a container of the new revision")
    if power:
        tiers.platform.reboot(engine_first=True)
    else:
        tiers.machine.stop_engine(signal.SIGKILL)
        tiers.machine.start_engine()
    view = eventually(lambda: (found := tiers.view())["state"] == "upgraded" and found, within=90, what="it is upgraded")
    assert tiers.answers("blue")
    kept = {c["id"] for c in view["containers"] if c["kept"]}
    new = {c["id"] for c in view["containers"] if not c["kept"]}
    assert kept == {name for name, service in old.items() if service != "db"}
    assert new & old.keys() == old.keys() - kept, "db goes on as it was"
    assert len(new) == len(old)
    assert {name: what == RUNS for name, what in tiers.containers().items()} == {name: name in new for name in new | kept}
