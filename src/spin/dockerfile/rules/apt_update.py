"""`apt-get update` in a step of its own."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import calls
from spin.model.finding import Severity

_USES = frozenset(["install", "upgrade", "dist-upgrade", "full-upgrade", "build-dep", "source", "download", "satisfy"])


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("RUN"):
        verbs = {word for words in calls(i.script, "apt-get", "apt", "aptitude") for word in words[1:]}
        if "update" in verbs and not verbs & _USES:
            yield Spot(i.line)


RULE = Rule(
    code="dockerfile-apt-update",
    severity=Severity.WARN,
    title="`apt-get update` and `install` are one step",
    message="`apt-get update` is a step of its own, and is kept in the build's cache without the installations after it.",
    instead="Write `apt-get update && apt-get install …` in one RUN.",
    why="A step whose text has not changed is taken from the cache. So next month's build installs new packages by old lists, and fails "
    "because those versions are no longer on the server, or installs versions with known faults.",
    example="""
        FROM debian:13-slim
        RUN apt-get update
        RUN apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
