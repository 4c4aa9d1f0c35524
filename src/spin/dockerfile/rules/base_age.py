"""A base image that gets no more security updates, or has not been renewed for long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from spin.dockerfile.lifetimes import end_of_life
from spin.dockerfile.model import tag_of
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

MOST_DAYS = 365
"""Images of distributions that are cared for are built anew every few weeks."""
_NO_DATE = date(2000, 1, 1)
"""Reproducible builds say 1970 or so, which is no date."""


def _find(case: Case) -> Iterator[Spot]:
    for stage, base in case.dockerfile.external_bases():
        repository, tag, _ = tag_of(base)
        for what, end in end_of_life(repository, tag):
            if end <= case.today:
                yield Spot(
                    stage.line, {"image": base, "what": f"is built on {what}, which got its last security updates on {end}"}
                )
                break
        else:
            created = getattr(case.bases.get(base), "created", None)
            if created is not None and created > _NO_DATE and (age := (case.today - created).days) > MOST_DAYS:
                yield Spot(stage.line, {"image": base, "what": f"was built {age} days ago, on {created}"})


RULE = Rule(
    code="dockerfile-base-age",
    severity=Severity.WARN,
    title="The base image still gets security updates",
    message="FROM `{image}` {what}.",
    instead="Move to a version that is cared for, and build anew from time to time with `spin build --pull`.",
    why="A base image brings hundreds of programs that the people who wrote the Dockerfile have never looked at. After the end of a "
    "version's life, faults in them are known and stay. What is known: dates that the projects have announced, and where the base "
    "image is on this machine, the date when it was built: more than a year ago is too long.",
    example="""
        FROM debian:10-slim
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
