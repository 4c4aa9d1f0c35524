"""The image's processes run as root."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import unquoted
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    file = case.dockerfile
    last = file.last("USER")
    if last is not None:
        user = unquoted(" ".join(last.words)).partition(":")[0]
        if user == "root" or (user.isdecimal() and int(user[:12]) == 0):
            yield Spot(last.line, {"why": f"the last USER is `{user}`"})
        return
    first = file.lineage()[0]
    base = file.base(first) or first.base
    known = case.bases.get(base)
    told = None if known is None else known.user
    if _is_made_for_others(base) if told is None else told.partition(":")[0] not in ("", "0", "root"):
        return
    yield Spot(
        file.final.line,
        {
            "why": "no USER is named, and the base image names none"
            if told is not None
            else "no USER is named, and most base images name none"
        },
    )


def _is_made_for_others(base: str) -> bool:
    """Families of images that say in their name that they do not run as root."""
    return "nonroot" in base or "unprivileged" in base or "rootless" in base


RULE = Rule(
    code="dockerfile-root",
    severity=Severity.WARN,
    title="The last stage names a user that is not root",
    message="The container's processes run as root: {why}.",
    instead="Make a user and switch to it at the end: `RUN useradd --uid 10001 app`, then `USER 10001`.",
    why="Whoever breaks into a process has its rights. As root that is the whole container, everything that is mounted into it, and "
    "whatever a fault of the kernel or the runtime adds. Only the last USER of the last stage counts; installing is done before it. "
    "A number is better than a name, since it can be compared with the owner of files on volumes.",
    example="""
        FROM debian:13-slim
        USER www-data
        RUN true
        USER root
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN useradd --uid 10001 app
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
