"""Images of Docker Hub that are not official ones (DOMAIN: preferably official repositories)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule

HUB = "docker.io/"

PUBLISHERS = Parameter(
    "publishers",
    (),
    "Publishers on Docker Hub that the site trusts as it does the official images (`library`), such as `bitnami`.",
)


def _find(case: Case) -> Iterator[Place]:
    trusted = ("library", *PUBLISHERS.of(case))
    for service in case.spec.services:
        publisher = service.image.repository.removeprefix(HUB).partition("/")[0]
        if service.image.repository.startswith(HUB) and publisher not in trusted:
            yield Place(f"services.{service.name}.image", service.name, {"publisher": publisher})


RULE = Rule(
    code="unofficial-image",
    severity=Severity.ADVISE,
    title="An image of Docker Hub is preferably an official one",
    message="Anybody can publish on Docker Hub; {publisher} is not among the official images.",
    instead="Look for an official image of the software, or build one from an official base and push it to the site's registry.",
    why="Official images are looked after by people who answer for them, and are made anew when their base has a hole. Any other name on "
    "Docker Hub belongs to whoever took it: mostly to somebody who needed the image once, and sometimes to somebody who hopes for a "
    "mistyped name. The original platform advised the same.",
    example="""
        services:
          db:
            image: somebody/postgres:16
    """,
    fixed="""
        services:
          db:
            image: postgres:16
    """,
    find=_find,
    parameters=(PUBLISHERS,),
)
