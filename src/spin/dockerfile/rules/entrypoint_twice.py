"""An instruction of which only the last counts is there twice."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    for stage in case.dockerfile.stages:
        later: dict[str, Instruction] = {}
        for i in reversed(stage.instructions):
            if i.name in ("ENTRYPOINT", "CMD", "HEALTHCHECK") and not i.trigger:
                if i.name in later:
                    yield Spot(i.line, {"name": i.name, "line": later[i.name].line})
                later.setdefault(i.name, i)


RULE = Rule(
    code="dockerfile-entrypoint-twice",
    severity=Severity.WARN,
    title="Of ENTRYPOINT, CMD and HEALTHCHECK there is one each",
    message="This {name} has no effect: that of line {line} takes its place.",
    instead="Keep the one that is meant.",
    why="Only the last of them in a stage counts, without a word. Often the other was meant to start a second program; a container "
    "has one, and a second program is a service of its own in the Compose file.",
    example="""
        FROM debian:13-slim
        USER 10001
        CMD ["/usr/bin/worker"]
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
