"""The tag `latest` says nothing about what runs."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if service.image.reference.endswith(":latest"):
            yield Place(f"services.{service.name}.image", service.name, {"repository": service.image.repository})


RULE = Rule(
    code="latest",
    severity=Severity.ADVISE,
    title="The tag says which version runs",
    message="The tag `latest` does not say which version runs, and names another image tomorrow.",
    instead="Give the image a tag of its own for each version, such as {repository}:1.0.",
    why="`latest` is whatever was pushed last. On the original platform replicas ran different images under that name, "
    "and nobody knew which. Here a digest is pinned when a change is accepted, so replicas are alike; but the file "
    "still does not say what it was tested with, and the next `spin up` brings whatever is newest then.",
    example="""
        services:
          web:
            image: nginx:latest
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
