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
    message="The tag `latest` does not say which version runs, and names another image tomorrow.",
    instead="Give the image a tag of its own for each version, such as {repository}:1.0.",
    find=_find,
)
