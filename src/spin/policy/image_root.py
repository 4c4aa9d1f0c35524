"""Images whose processes run as root."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Known, Place, Rule
from spin.policy.wellknown import DROPS_ROOT, short

_DROPPERS = frozenset({"GOSU_VERSION", "SU_EXEC_VERSION"})
"""Variables of images that change the user by themselves: the official ones of databases have them."""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        image = case.facts(service)
        if image is not None and image.root and service.user is None and not _drops(service, image):
            yield Place(f"services.{service.name}.image", service.name, {"service": service.name})


def _drops(service: ServiceSpec, image: ImageFacts) -> bool:
    return short(service.image) in DROPS_ROOT or any(name in _DROPPERS for name, _ in image.environment)


RULE = Rule(
    code="image-root",
    severity=Severity.ADVISE,
    title="A service does not run as root",
    message="The image says no user, so {service} runs as root in its container.",
    instead='Write `user: "1000:1000"` at the service, or `USER 1000:1000` in the Dockerfile; it must be able to read its files.',
    why="""Root in a container is the host's root, held back only by what the kernel keeps from it. The platform takes away nearly all of
        that, and still each fault of the kernel or of the runtime is worth more to whoever breaks into the program as root. Most programs
        need root for nothing. Images that begin as root and change the user themselves, such as the official ones of
        databases, are left alone.""",
    example="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
            user: "1000:1000"
    """,
    known=Known(images={"localhost:5000/lab/app:1.0": ImageFacts()}),
    find=_find,
)
