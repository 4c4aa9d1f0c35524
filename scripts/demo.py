"""`./run demo [--once]`: build, ship, run and copy the example, as a user would, on a platform of its own.

Every command is printed before it runs. The summary says for each step whether it held and how long it took. Ends with exit
status 0 only if every step held, and removes what it made; without --once it stays up until Ctrl-C first.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import re
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stage import EXAMPLE, ROOT, SPIN, Failure, Stage, docker, tail

STACK = "three-tier"
PROJECT = "science"
SECRET = f"{STACK}.db-password"
FILES = (["build"], ["push"], ["check"], ["up"])
"""Commands that read the Compose file of the directory they run in."""


@dataclass
class Done:
    """A step that was tried."""

    title: str
    seconds: float
    held: bool
    said: list[str]


@dataclass
class Demo:
    stage: Stage
    colour: bool
    done: list[Done] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the running step has found out, for the summary."""

    # ---- telling -------------------------------------------------------------------------------------------------------------

    def paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def say(self, text: str) -> None:
        """Something the step has found out: told now, and again in the summary."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def step(self, title: str, work: Callable[[], None]) -> None:
        print(f"\n{self.paint('1', f'{len(self.done) + 1}. {title}')}", flush=True)
        self.notes = []
        begin = time.monotonic()
        held = False
        try:
            work()
            held = True
        finally:
            self.done.append(Done(title, time.monotonic() - begin, held, self.notes))

    def summary(self) -> None:
        print(f"\n{self.paint('1', 'Summary')}")
        for number, done in enumerate(self.done, 1):
            mark = self.paint("32", "held  ") if done.held else self.paint("31", "FAILED")
            print(f"  {mark} {done.seconds:6.1f} s  {number:>2}. {done.title}")
            for line in done.said:
                print(f"                        {line}")
        print(f"  in all {sum(d.seconds for d in self.done):6.1f} s", flush=True)

    # ---- doing ---------------------------------------------------------------------------------------------------------------

    def show(self, *command: str, stdin: str | None = None, pipe: str = "") -> None:
        """Run a command as a user would, with its output going where ours goes. `pipe`: how the command's input is told."""
        where = f"   (in {EXAMPLE.relative_to(ROOT)})" if command[0] == "spin" and list(command[1:2]) in FILES else ""
        print(self.paint("36", f"$ {pipe}{shlex.join(command)}") + self.paint("2", where), flush=True)
        done = subprocess.run(command, env=self.stage.environment, cwd=EXAMPLE, input=stdin or "", text=True, check=False)
        if done.returncode:
            raise Failure(f"`{shlex.join(command)}` ended with exit status {done.returncode}")

    def refused(self, *command: str) -> None:
        """Run a command that the platform must refuse: as not allowed, not as a fault of its own."""
        print(self.paint("36", f"$ {shlex.join(command)}"), flush=True)
        done = subprocess.run(command, env=self.stage.environment, capture_output=True, text=True, check=False)
        words = (done.stdout + done.stderr).strip()
        last = words.splitlines()[-1] if words else ""
        if done.returncode == 0:
            raise Failure("this should have been refused")
        if not any(word in words.lower() for word in ("denied", "unauthorized", "forbidden", "401", "403", "not allowed")):
            raise Failure(f"refused, but not for want of rights: {last}")
        self.say(f"refused, as it should be: {last}")

    def host(self, environment: str) -> str:
        return f"web.{STACK}.{environment}.spin.localhost"

    def visit(self, environment: str) -> tuple[str, int]:
        """One request to the API behind the front end: which container answered, and the counter."""
        answer = self.stage.get(self.host(environment), "/api/")
        if answer.status != 200:
            raise Failure(f"{self.host(environment)} answered {answer.status}: {answer.text[:200]}")
        value = answer.json()
        return str(value["container"]), int(str(value["counter"]))

    def view(self, environment: str) -> dict[str, Any]:
        """The stack as `spin inspect` has it. For checks: not shown."""
        value: dict[str, Any] = json.loads(self.stage.spin("inspect", STACK, "-e", environment))
        return value

    def check_state(self, environment: str) -> None:
        view = self.view(environment)
        states = ", ".join(f"{s['name']} {s['state']} {s['ready']}/{s['wanted']}" for s in view["services"])
        if view["state"] != "healthy":
            raise Failure(f"{STACK} in {environment} is {view['state']}: {view['detail']} ({states})")
        self.say(f"{environment}: {view['state']}, revision {view['revision']}: {states}")

    def check_page(self, environment: str, visit: int) -> None:
        """The page, from the edge through all three tiers. `visit`: the counter that it must show."""
        answer = self.stage.get(self.host(environment))
        shown = re.search(r'<p id="answer">(.*)</p>', answer.text)
        if answer.status != 200 or shown is None:
            raise Failure(f"{self.url(environment)} answered {answer.status}: {answer.text[:300]}")
        words = re.sub(r"<[^>]*>", "", shown[1])
        if f"visit {visit}." not in words:
            raise Failure(f"{self.url(environment)} should have counted visit {visit}, and says: {words}")
        self.say(f"{self.url(environment)} answers: {words}")

    def url(self, environment: str) -> str:
        return self.stage.browser_url(self.host(environment))

    # ---- the steps -----------------------------------------------------------------------------------------------------------

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("The platform starts with no configuration", self.platform),
            ("Sign in and make a project", self.sign_in),
            ("Build: an image for each of three Dockerfiles", self.build),
            ("Ship: push them to the site's registry", self.ship),
            ("Plain docker login, pull and push; refusals for others", self.plain_docker),
            ("Run: the stack comes up in development", self.run),
            ("Scale: three API containers share the requests", self.scale),
            ("Copy: the same images in production", self.copy),
            ("Look", self.look),
        ]

    def platform(self) -> None:
        for name, usual in (("api", 7070), ("edge", 8080), ("registry", 5000)):
            if (port := self.stage.ports[name]) != usual:
                self.say(f"port {usual} is taken, so the {name} listens on {port}")
        print(self.paint("36", f"$ {shlex.join(self.stage.command)} &"), flush=True)
        self.stage.start()
        self.say(self.stage.ready)

    def sign_in(self) -> None:
        self.show("spin", "login", self.stage.url, "--key-file", str(self.stage.data / "operator.key"))
        self.show("spin", "project", "create", PROJECT)
        print(self.paint("36", f"$ export SPIN_PROJECT={PROJECT}"))
        self.stage.environment["SPIN_PROJECT"] = PROJECT
        self.show("spin", "whoami")
        self.show("spin", "environment", "ls")

    def build(self) -> None:
        self.show("spin", "build")

    def ship(self) -> None:
        self.show("spin", "push")

    def plain_docker(self) -> None:
        registry = self.stage.registry
        image = f"{registry}/{PROJECT}/web:1.0"
        login = ("docker", "login", "--password-stdin", registry, "--username")
        self.show(*login, self.me(), stdin=self.stage.key(), pipe="cat operator.key | ")
        self.show("docker", "pull", "--quiet", image)
        self.show("docker", "tag", image, f"{registry}/{PROJECT}/copy:1.0")
        self.show("docker", "push", "--quiet", f"{registry}/{PROJECT}/copy:1.0")

        self.show("docker", "logout", registry)
        self.refused("docker", "pull", "--quiet", image)
        self.show("spin", "user", "create", "guest")
        key = self.stage.spin("key", "create", "demo", "--user", "guest").strip()
        self.show(*login, "guest", stdin=key, pipe="spin key create demo --user guest | ")
        self.refused("docker", "pull", "--quiet", image)
        self.refused("docker", "push", "--quiet", f"{registry}/{PROJECT}/copy:1.0")
        self.show("docker", "logout", registry)
        self.show("docker", "rmi", f"{registry}/{PROJECT}/copy:1.0")

    def me(self) -> str:
        return str(json.loads(self.stage.spin("whoami", "--json"))["user"])

    def secret(self, environment: str) -> None:
        command = ("spin", "secret", "create", "-e", environment, SECRET, "-")
        self.show(*command, stdin=secrets.token_hex(16), pipe="openssl rand -hex 16 | ")

    def run(self) -> None:
        self.secret("development")
        self.show("spin", "check")
        self.show("spin", "up")
        self.check_state("development")
        self.check_page("development", visit=1)

    def scale(self) -> None:
        self.show("spin", "scale", f"{STACK}/api=3")
        answered: Counter[str] = Counter()
        deadline = time.monotonic() + 30
        while len(answered) < 3 and time.monotonic() < deadline:
            answered[self.visit("development")[0]] += 1
        if len(answered) != 3:
            raise Failure(f"of three API containers only these answered: {', '.join(answered)}")
        self.say(
            f"{answered.total()} requests were answered by {', '.join(f'{name} ({n})' for name, n in sorted(answered.items()))}"
        )
        self.show("spin", "ps", STACK, "--containers")

    def copy(self) -> None:
        self.secret("production")
        self.show("spin", "promote", STACK, "--to", "production")
        self.check_state("production")
        here, there = ({s["name"]: s["digest"] for s in self.view(e)["services"]} for e in ("development", "production"))
        if here != there or not all(str(digest).startswith("sha256:") for digest in here.values()):
            raise Failure(f"the images should be the same: development {here}, production {there}")
        self.say(f"the same digests: {', '.join(f'{name} {str(digest)[7:19]}' for name, digest in sorted(there.items()))}")
        self.check_page("production", visit=1)
        volumes = json.loads(self.stage.spin("volume", "ls", "--json"))
        names = {v["environment"]: v["engine_name"] for v in volumes if v["stack"] == STACK}
        if len(set(names.values())) != 2:
            raise Failure(f"each environment should have a volume of its own: {names}")
        passwords = {e: self.password(e) for e in ("development", "production")}
        if len(set(passwords.values())) != 2:
            raise Failure("each environment should have a secret of its own")
        self.say("a volume of its own, empty, and a secret of its own")

    def password(self, environment: str) -> str:
        """What the database's container of that environment has as its password; only ever compared."""
        containers = self.view(environment)["containers"]
        name = next(str(c["id"]) for c in containers if c["service"] == "db")
        return docker("exec", name, "cat", "/run/secrets/db-password")

    def look(self) -> None:
        for environment in ("development", "production"):
            self.show("spin", "ps", "-e", environment)
            self.check_state(environment)
        visits = {environment: self.visit(environment) for environment in ("development", "production")}
        for environment, (container, counter) in visits.items():
            self.say(f"{self.url(environment)}api/ answers: container {container}, counter {counter}")
        if visits["development"][1] <= visits["production"][1]:
            raise Failure("the two environments seem to share a counter")

    def remove(self) -> None:
        for environment in ("production", "development"):
            if any(v["stack"] == STACK for v in json.loads(self.stage.spin("stack", "ls", "-e", environment, "--json"))):
                self.show("spin", "rm", STACK, "-e", environment, "--volumes", "--yes")
        self.stage.stop()
        if left := [item for item in self.stage.left() if not item.endswith("-registry")]:
            raise Failure(f"left on the engine: {', '.join(left)}")
        self.say("no container, network or volume is left")


def wait_for_end(stage: Stage) -> None:
    """Until Ctrl-C, or until the platform ends, which it should not."""
    while stage.process is not None and stage.process.poll() is None:
        time.sleep(0.5)
    raise Failure(f"the platform has ended:\n{tail(stage.log)}")


def run(demo: Demo, *, once: bool) -> bool:
    """All steps, then the end. True if all held."""
    stage, good = demo.stage, False
    try:
        stage.prepare()
        for title, work in demo.steps():
            demo.step(title, work)
        good = True
        if not once:
            demo.summary()
            print(f"\nIt stays up until Ctrl-C. In a browser: {demo.url('development')} and {demo.url('production')}")
            print(f"In another terminal, to go on by yourself (the example is in {EXAMPLE.relative_to(ROOT)}):")
            print(f'  export PATH="{SPIN.parent}:$PATH" SPIN_URL={stage.url} SPIN_PROJECT={PROJECT}', end=" ")
            print(f'SPIN_TOKEN="$(cat {stage.data / "operator.key"})"', flush=True)
            wait_for_end(stage)
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
    except Failure as failure:
        good = False
        print(f"\n{demo.paint('31', 'This did not hold:')} {failure}", file=sys.stderr)
        if stage.process is not None:
            print(f"The platform's log, {stage.log}, ends:\n{tail(stage.log)}", file=sys.stderr, flush=True)
    try:
        if stage.process is not None:
            demo.step("The end: everything that was made is removed", demo.remove)
    except (Failure, KeyboardInterrupt) as failure:
        good = False
        print(f"{demo.paint('31', 'This did not hold:')} {failure}", file=sys.stderr)
    finally:
        with contextlib.suppress(Failure):
            stage.stop()
        stage.sweep()
    demo.summary()
    return good and len(demo.done) == len(demo.steps()) + 1 and all(done.held for done in demo.done)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run demo", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--once", action="store_true", help="end by itself instead of staying up until Ctrl-C")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lock = ROOT / ".spin" / "demo.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("The demo runs already from this checkout.", file=sys.stderr)
            return 1
        return 0 if run(Demo(Stage("demo"), colour=sys.stdout.isatty()), once=once) else 1


if __name__ == "__main__":
    sys.exit(main())
