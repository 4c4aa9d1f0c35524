"""A tag that moves, such as `latest`, says nothing about what runs."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import Image
from spin.policy.case import Case, Parameter, Place, Rule

TAGS = Parameter(
    "tags",
    ("latest", "main", "master", "develop", "dev", "edge", "nightly", "unstable"),
    "Tags that are given to another image again and again.",
)


def moving_tag(case: Case, image: Image) -> str | None:
    """The image's tag, where it is one that moves. `case` has the settings of this rule."""
    tag = image.reference.removeprefix(image.repository).partition("@")[0].removeprefix(":")
    return tag if tag in TAGS.of(case) else None


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        tag = moving_tag(case, service.image)
        if tag is not None:
            yield Place(f"services.{service.name}.image", service.name, {"repository": service.image.repository, "tag": tag})


RULE = Rule(
    code="latest",
    severity=Severity.ADVISE,
    title="The tag says which version runs",
    message="The tag `{tag}` does not say which version runs, and names another image tomorrow.",
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
    parameters=(TAGS,),
)
