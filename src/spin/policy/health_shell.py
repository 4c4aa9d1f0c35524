"""A list after `CMD-SHELL` has one string that is run; the others are its `$0`, `$1`, …"""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        test = service.healthcheck.test if service.healthcheck else ()
        if test[:1] == ("CMD-SHELL",) and len(test) > 2:
            yield Place(
                f"services.{service.name}.healthcheck.test", service.name, {"first": test[1], "whole": " ".join(test[1:])}
            )


RULE = Rule(
    code="health-shell",
    severity=Severity.WARN,
    title="`CMD-SHELL` takes one string",
    message="The health check runs `{first}` alone: of a list after CMD-SHELL the shell runs the first string.",
    instead="Write the test as one string, such as `{whole}`; or write CMD in the place of CMD-SHELL.",
    why="The engine gives the list to `sh -c`, which runs its first string and keeps the others as `$0`, `$1` and so on. So "
    "`[CMD-SHELL, pg_isready, -d, shop]` asks for any database, and `[CMD-SHELL, curl, -f, URL]` never passes. Many files have it, since "
    "nothing says so.",
    example="""
        services:
          db:
            image: postgres:16
            healthcheck:
              test: [CMD-SHELL, pg_isready, -d, shop]
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            healthcheck:
              test: pg_isready -d shop
    """,
    find=_find,
)
