"""Most networks of one stack: each takes a subnet of the site's range, a bridge and rules of the host's."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    most = case.site.limits.networks
    if len(case.spec.networks) > most:
        yield Place("networks", None, {"count": len(case.spec.networks), "most": most})


RULE = Rule(
    code="too-many-networks",
    severity=Severity.REFUSE,
    title="A stack has no more networks than the site allows",
    message="The stack has {count} networks; at most {most} are allowed.",
    instead="Let services that may talk to each other share a network, or ask the operators for more.",
    why="Each network takes a subnet of the site's range, a bridge and rules of the host's; the range of the usual site has room "
    "for some 2,000. A stack with hundreds of them would leave none for the others. The number is `limits.networks` in the site file.",
    example="""
        services:
          web:
            image: nginx:1.27
            networks: [front, back]
        networks:
          front: {}
          back: {}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            networks: [front]
        networks:
          front: {}
    """,
    site="""
        [limits]
        networks = 1
    """,
    find=_find,
)
