"""Package lists stay in the image."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import calls, commands, program
from spin.model.finding import Severity

LISTS = "/var/lib/apt"


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.shipped():
        if i.name == "RUN" and _fetches_lists(i) and not (_removes_lists(i) or is_mounted(i, LISTS)):
            yield Spot(i.line)


def _fetches_lists(i: Instruction) -> bool:
    return any("update" in words[1:] for words in calls(i.script, "apt-get", "apt", "aptitude"))


def _removes_lists(i: Instruction) -> bool:
    removed = (word for words in commands(i.script) if program(words) in ("rm", "find") for word in words[1:])
    return any(word.startswith(("/var/lib/apt", "/var/lib/apt/lists")) for word in removed)


def is_mounted(i: Instruction, folder: str) -> bool:
    """A cache or tmpfs is mounted at `folder` or above it, or below it where what grows is."""
    for flag in i.flags:
        if flag.startswith("--mount=") and ("type=cache" in flag or "type=tmpfs" in flag):
            options = dict(option.partition("=")[::2] for option in flag.removeprefix("--mount=").split(","))
            target = options.get("target") or options.get("dst") or options.get("destination") or ""
            if target and (f"{folder}/".startswith(target.rstrip("/") + "/") or target.startswith(f"{folder}/")):
                return True
    return False


RULE = Rule(
    code="dockerfile-apt-clean",
    severity=Severity.ADVISE,
    title="apt's lists do not stay in the image",
    message="The lists that `apt-get update` fetches stay in the image, some 20 MB that nobody needs.",
    instead="End the same RUN with `&& rm -rf /var/lib/apt/lists/*`, or give it `--mount=type=cache,target=/var/lib/apt`.",
    why="A layer keeps what a RUN leaves behind; removing it in a later RUN hides it and saves nothing. Images are pulled at each "
    "upgrade, on each machine.",
    example="""
        FROM debian:13-slim
        RUN apt-get update && apt-get install -y --no-install-recommends curl
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN apt-get update \\
         && apt-get install -y --no-install-recommends curl \\
         && rm -rf /var/lib/apt/lists/*
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
