"""Keys that are not carried out, which is harmless: the table of keys says why."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.keys import FILE, Ignored, walk


def _find(case: Case) -> Iterator[Place]:
    for met in walk(case.document, FILE):
        if isinstance(met.verdict, Ignored) and met.said:
            yield met.place({"why": met.verdict.why, "advice": met.verdict.instead})


RULE = Rule(
    code="ignored-key",
    severity=Severity.WARN,
    title="A key that does nothing here, without harm",
    message="`{key}` is not carried out: {why}.",
    instead="{advice}",
    why="Files are written for several platforms, and some keys have nothing to do on this one: the platform does it "
    "anyway, does it in its own way, or has no such thing. Where that is harmless the file runs as it is, and this "
    "warning says what is not carried out, so that nobody waits for it.",
    example="""
        services:
          web:
            image: nginx:1.27
            logging: {driver: syslog}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
