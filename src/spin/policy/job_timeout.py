"""How long a run of a job may take."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import Overlap
from spin.policy.case import Case, Place, Rule

_THEN = {
    Overlap.SKIP: "keeps all later runs from beginning",
    Overlap.REPLACE: "goes on until the next one is due",
    Overlap.ALLOW: "stays beside the later ones",
}


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if service.schedule is not None and service.schedule.timeout_ms is None:
            yield Place(f"services.{service.name}.x-spin", service.name, {"then": _THEN[service.schedule.overlap]})


RULE = Rule(
    code="job-timeout",
    severity=Severity.ADVISE,
    title="A job says how long it may take",
    message="The job has no `timeout`: a run that hangs {then}.",
    instead="Write some times what it usually takes beside `schedule`, such as `timeout: 1h`.",
    why="A program that waits for an answer that does not come waits for ever, and with `overlap: skip` the backups of the "
    "nights after do not happen. A run that takes too long is ended and recorded as timed out, so that somebody sees it.",
    example="""
        services:
          backup:
            image: alpine:3.20
            x-spin: {schedule: "15 3 * * *"}
    """,
    fixed="""
        services:
          backup:
            image: alpine:3.20
            x-spin: {schedule: "15 3 * * *", timeout: 1h}
    """,
    find=_find,
)
