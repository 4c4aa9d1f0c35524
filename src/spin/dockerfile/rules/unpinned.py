"""A base image without a tag or digest."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import tag_of
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    for stage, base in case.dockerfile.external_bases():
        repository, tag, digest = tag_of(base)
        if not tag and not digest:
            yield Spot(stage.line, {"image": repository})


RULE = Rule(
    code="dockerfile-unpinned",
    severity=Severity.WARN,
    title="FROM says which version",
    message="FROM `{image}` says no version, so it is whatever is the latest at the moment of building.",
    instead="Name the version that you have tested, such as {image}:1.2; with `@sha256:…` behind it a build is the same in a year.",
    why="Two builds of one Dockerfile are to give the same program. Without a tag the base is `latest`, and a colleague who builds "
    "next month gets another distribution or another major version, at a moment that nobody has chosen.",
    example="""
        FROM python
        USER 10001
        CMD ["python3", "/app.py"]
    """,
    fixed="""
        FROM python:3.13-slim
        USER 10001
        CMD ["python3", "/app.py"]
    """,
    find=_find,
)
