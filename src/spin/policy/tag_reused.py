"""A tag that was another image before (DOMAIN: images)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy import latest
from spin.policy.case import Case, Known, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    by_latest = case.judged_by(latest.RULE.code)
    for service in case.spec.services:
        revision = case.known.reused.get(service.image.reference)
        if revision is not None and latest.moving_tag(by_latest, service.image) is None:
            values = {"image": service.image.reference, "revision": revision, "repository": service.image.repository}
            yield Place(f"services.{service.name}.image", service.name, values)


RULE = Rule(
    code="tag-reused",
    severity=Severity.WARN,
    title="Each version of an image has a tag of its own",
    message="{image} is another image than it was in revision {revision} of this stack: its tag was used again.",
    instead="Give each version its own tag, such as {repository}:1.1 after 1.0.",
    why="""What runs here is pinned by digest, so all replicas are alike. But a tag that is used again takes the name away from what ran
        before: nobody can say from the file which of the two is meant, elsewhere replicas may differ, what is in caches of
        machines and workstations is the old one, and the way back by the file brings the new one. Tags cost nothing. Tags that move
        by design, such as `latest`, are told by `latest`.""",
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
    known=Known(reused={"localhost:5000/lab/app:1.0": 3}),
    find=_find,
)
