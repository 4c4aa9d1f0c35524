"""Labels by which the platform knows its own objects."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule

PREFIX = "spin."


def _find(case: Case) -> Iterator[Place]:
    spec = case.spec
    labelled = [
        *((f"services.{s.name}", s.name, s.labels) for s in spec.services),
        *((f"networks.{n.name}", None, n.labels) for n in spec.networks),
        *((f"volumes.{v.name}", None, v.labels) for v in spec.volumes),
    ]
    for path, service, labels in labelled:
        for label, _ in labels:
            if label.lower().startswith(PREFIX):
                yield Place(f"{path}.labels.{label}", service, {"label": label})


RULE = Rule(
    code="reserved-labels",
    severity=Severity.REFUSE,
    title="Labels that begin with `spin.` are the platform's own",
    message="The label {label} is one of the platform's own.",
    instead="Choose a name that does not begin with `spin.`, such as `org.example.name`.",
    why="The platform finds its containers, networks and volumes by their labels, and touches nothing without them. A "
    "container that wears another stack's labels would be counted, stopped or routed as that stack's.",
    example="""
        services:
          web:
            image: nginx:1.27
            labels: {spin.site: "spin"}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            labels: {org.example.team: "physics"}
    """,
    find=_find,
)
