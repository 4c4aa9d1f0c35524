"""Very large images (DOMAIN: images)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.policy.case import Case, Known, Parameter, Place, Rule

GIGABYTE = 10**9
GIGABYTES = Parameter(
    "gigabytes", 5.0, "Size from which on an image is very large, as it is transferred (compressed), in GB (10^9 bytes)."
)


def _find(case: Case) -> Iterator[Place]:
    most = GIGABYTES.of(case)
    for service in case.spec.services:
        image = case.facts(service)
        if image is not None and image.size_bytes is not None and image.size_bytes >= most * GIGABYTE:
            values = {"size": f"{image.size_bytes / GIGABYTE:.1f}", "layers": image.layers, "most": f"{most:g}"}
            yield Place(f"services.{service.name}.image", service.name, values)


RULE = Rule(
    code="image-size",
    severity=Severity.WARN,
    title="An image is no larger than it has to be",
    message="The image is very large: {size} GB in {layers} layers (from {most} GB on it is told).",
    instead="Leave build tools, caches and data out of it: build in one stage and copy the result into a small base image; data belongs on "
    "a volume.",
    why="""Before a container can start, the machine has to fetch and unpack its image: minutes for one of this size, in which an upgrade or
        the healing of a dead service waits. It takes that room on the registry and on every machine, for each version. Data sets and models
        do not change with the program and are better kept on a volume.""",
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
            "localhost:5000/lab/app:1.0": ImageFacts(size_bytes=8 * GIGABYTE, layers=31, user="1000"),
            "localhost:5000/lab/app:1.1": ImageFacts(size_bytes=GIGABYTE // 5, layers=9, user="1000"),
        }
    ),
    find=_find,
    parameters=(GIGABYTES,),
)
