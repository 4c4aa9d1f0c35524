"""What the engine of the environment cannot do. Judged by what the engine says of itself: see `spin.policy.audit_engine`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from spin.model.feature import Feature, asks
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def of(kind: str, lacks: Iterable[Feature], platform: str | None) -> Rule:
    """The rule for an engine of that kind, which lacks those features; `platform`: what its images are for, where it is known."""

    def find(case: Case) -> Iterator[Place]:
        for service in case.spec.services:
            for feature in lacks:
                if asks(service, feature):
                    values = {"what": f"`{feature.value}`", "kind": kind}
                    yield Place(f"services.{service.name}.{feature.value}", service.name, values)
            if platform and service.platform and not fits(service.platform, platform):
                values = {"what": f"an image for {service.platform} (it runs {platform})", "kind": kind}
                yield Place(
                    f"services.{service.name}.platform", service.name, values, "Leave `platform` out, or build the image for it."
                )

    return replace(RULE, find=find)


def fits(wanted: str, there: str) -> bool:
    """`linux`, `linux/amd64` and `linux/arm64/v8` fit `linux/amd64` or `linux/arm64`: a variant is not looked at."""
    return there.split("/")[: wanted.count("/") + 1] == wanted.split("/")[:2]


RULE = Rule(
    code="engine-lacks",
    severity=Severity.REFUSE,
    title="What the environment's engine cannot do is refused before anything is created",
    message="The engine of this environment ({kind}) has no way to carry out {what}.",
    instead="Leave it out, or bring the stack up in an environment whose engine can: `spin environment ls`.",
    why="Environments may have engines of different kinds: a container engine on one host in development, a cluster in production. What "
    "one of them cannot do must not be found out after the change has been made, or never, because it was left away.",
    example="""
        services:
          web:
            image: nginx:1.27
            platform: linux/s390x
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=lambda _: (),
)
