"""Old images lack what was mended since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.policy.case import Case, Known, Parameter, Place, Rule

DAYS = Parameter("days", 365, "Age from which on an image is old, in days.")


def _find(case: Case) -> Iterator[Place]:
    if case.known.now is None:
        return
    oldest = case.known.now - timedelta(days=min(DAYS.of(case), 100_000))
    for service in case.spec.services:
        image = case.facts(service)
        if image is not None and image.created is not None and image.created < oldest:
            values = {"date": f"{image.created:%Y-%m-%d}", "days": (case.known.now - image.created).days}
            yield Place(f"services.{service.name}.image", service.name, values)


RULE = Rule(
    code="image-age",
    severity=Severity.ADVISE,
    title="An image is built again now and then",
    message="The image was built on {date}, {days} days ago: what was mended in its packages since is not in it.",
    instead="Build it again on a current base image (`spin build`, with `pull: true`), or take a newer tag.",
    why="""An image is a frozen copy of an operating system's packages. The security updates of each week reach it only when it is built
        again. After a year there are dozens of known faults in it, for which scanners and attackers have the same lists. What
        builds in the same way every time without a date is left alone.""",
    example="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/app:1.1
    """,
    known=Known(
        images={
            "localhost:5000/lab/app:1.0": ImageFacts(created=datetime(2023, 5, 1, tzinfo=UTC), user="1000"),
            "localhost:5000/lab/app:1.1": ImageFacts(created=datetime(2025, 5, 1, tzinfo=UTC), user="1000"),
        },
        now=datetime(2025, 6, 1, tzinfo=UTC),
    ),
    find=_find,
    parameters=(DAYS,),
)
