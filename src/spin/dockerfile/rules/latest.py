"""A base image whose tag moves."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import tag_of
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

TAGS = frozenset(
    {
        "latest",
        "main",
        "master",
        "develop",
        "dev",
        "edge",
        "nightly",
        "unstable",
        "stable",
        "testing",
        "sid",
        "rolling",
        "devel",
        "lts",
        "current",
        "mainline",
        "slim",
        "alpine",
    }
)
"""First words of tags that are given to another image again and again."""


def _find(case: Case) -> Iterator[Spot]:
    for stage, base in case.dockerfile.external_bases():
        repository, tag, digest = tag_of(base)
        if not digest and tag.partition("-")[0].lower() in TAGS:
            yield Spot(stage.line, {"image": repository, "tag": tag})


RULE = Rule(
    code="dockerfile-latest",
    severity=Severity.WARN,
    title="The base image's tag does not move",
    message="FROM `{image}:{tag}` names another image again and again.",
    instead="Name the version that you have tested, such as {image}:1.2; with `@sha256:…` behind it a build is the same in a year.",
    why="`latest`, `stable` or `lts` are names for whatever is newest. The same Dockerfile gives another image next month, and when "
    "that one fails nothing in the file says what it was tested with.",
    example="""
        FROM node:lts-slim
        USER node
        CMD ["node", "/app.js"]
    """,
    fixed="""
        FROM node:24-slim
        USER node
        CMD ["node", "/app.js"]
    """,
    find=_find,
)
