"""Nothing tells whether the program works."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    if not case.healthcheck and case.dockerfile.last("HEALTHCHECK") is None:
        yield Spot(case.dockerfile.final.line)


RULE = Rule(
    code="dockerfile-healthcheck",
    severity=Severity.ADVISE,
    title="There is a health check, here or in the Compose file",
    message="No HEALTHCHECK: a container counts as healthy as soon as its program has been started.",
    instead="Add `HEALTHCHECK CMD …` with a command that fails where the program does not work, or `healthcheck` in the Compose file.",
    why="An upgrade goes on to the next container when the last one is healthy. Without a check that is at once, also for a program that "
    "answers nobody. `HEALTHCHECK NONE` says that there is none on purpose, such as for a job that ends.",
    example="""
        FROM debian:13-slim
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        HEALTHCHECK --interval=10s --timeout=5s CMD ["/usr/bin/app", "--check"]
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
