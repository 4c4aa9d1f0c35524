"""Where images may come from: the site's registry and the sources that the operators trust."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    sources = (case.site.registry_host, *case.site.image_sources)
    for service in case.spec.services:
        repository = service.image.repository
        if not any(repository.startswith(source.rstrip("/") + "/") for source in sources):
            values = {"host": repository.partition("/")[0], "own": case.site.registry_host, "sources": ", ".join(sources)}
            yield Place(f"services.{service.name}.image", service.name, values)


RULE = Rule(
    code="image-source",
    severity=Severity.REFUSE,
    message="Images from {host} are not accepted; they may come from {sources}.",
    instead="Push the image to {own} and name it there, or `build` it.",
    find=_find,
)
