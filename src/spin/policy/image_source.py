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
    title="Images come from the site's registry or a source that the operators trust",
    message="Images from {host} are not accepted; they may come from {sources}.",
    instead="Push the image to {own} and name it there, or `build` it.",
    why="An image is a program that runs beside everybody else's. The operators answer for where programs may come "
    "from; what lies in the site's own registry can also be scanned, kept and pulled when the rest of the world is "
    "away. The original platform took images from its own registry and Docker Hub, preferably official ones.",
    example="""
        services:
          web:
            image: registry.example.org/physics/web:1.0
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
