"""The whole context goes into the image."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    if case.ignores:
        return
    for i in case.dockerfile.shipped():
        from_elsewhere = any(flag.startswith("--from") for flag in i.flags)
        if i.name in ("COPY", "ADD") and not from_elsewhere and {".", "./", "*", "./*"} & set(i.words[:-1]):
            yield Spot(i.line, {"name": i.name})


RULE = Rule(
    code="dockerfile-copy-all",
    severity=Severity.ADVISE,
    title="Only what is needed is copied",
    message="{name} takes everything in the folder into the image, and there is no `.dockerignore`.",
    instead="Copy what is needed by name, or name in `.dockerignore` what is not: `.git`, `.env`, results, data.",
    why="What lies in the folder of somebody who builds is in the image: the history with every secret that ever was in it, `.env`, "
    "gigabytes of data. It also makes each build anew, since something there has always changed.",
    example="""
        FROM python:3.13-slim
        COPY . /app
        USER 10001
        CMD ["python3", "/app/main.py"]
    """,
    fixed="""
        FROM python:3.13-slim
        COPY main.py /app/
        USER 10001
        CMD ["python3", "/app/main.py"]
    """,
    find=_find,
)
