"""apt installs more than was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import calls
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    quiet = False
    for i in case.dockerfile.shipped():
        if i.name != "RUN":
            continue
        quiet = quiet or "APT::Install-Recommends" in i.script
        installs = [words for words in calls(i.script, "apt-get", "apt") if "install" in words]
        if not quiet and any(not any("no-install-recommends" in word.lower() for word in words) for words in installs):
            yield Spot(i.line)


RULE = Rule(
    code="dockerfile-apt-recommends",
    severity=Severity.ADVISE,
    title="apt installs only what is asked for",
    message="`apt-get install` also installs what its packages recommend.",
    instead="Write `apt-get install --no-install-recommends …`, and name what is really needed.",
    why="Recommended packages often double an image: documentation, mail servers, compilers. Each is one more program with faults of its "
    "own in a place where an intruder would look for it.",
    example="""
        FROM debian:13-slim
        RUN apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
