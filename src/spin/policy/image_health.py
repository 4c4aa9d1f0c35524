"""Web services of which nothing says whether they work."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.policy.case import Case, Known, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        image = case.facts(service)
        if image is None or service.http is None or service.healthcheck is not None or image.healthcheck is not None:
            continue
        yield Place(f"services.{service.name}", service.name, {"service": service.name, "port": service.http.port})


RULE = Rule(
    code="image-health",
    severity=Severity.ADVISE,
    title="A web service has a health check",
    message="Neither the file nor the image has a health check for {service}: it counts as well as soon as its process runs.",
    instead='Write one with a program that the image has, such as `healthcheck: {{test: ["CMD", "curl", "-fsS", '
    '"http://localhost:{port}/"]}}`.',
    why="""Without a check the platform knows that a process runs, not that it answers. An upgrade then sends visitors to a container
        that is still starting, goes on to the next although the new version only says *500*, and a program that hangs is never
        replaced. With one, an upgrade waits, stops and goes back by itself.""",
    example="""
        services:
          web:
            image: localhost:5000/lab/web:1.0
            x-spin: {http: 8080}
    """,
    fixed="""
        services:
          web:
            image: localhost:5000/lab/web:1.0
            x-spin: {http: 8080}
            healthcheck: {test: ["CMD", "curl", "-fsS", "http://localhost:8080/"]}
    """,
    known=Known(images={"localhost:5000/lab/web:1.0": ImageFacts()}),
    find=_find,
)
