"""Keys that mean something else here than to Docker Compose: the table of keys says what."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.keys import FILE, Translated, walk


def _find(case: Case) -> Iterator[Place]:
    for met in walk(case.document, FILE):
        if isinstance(met.verdict, Translated) and met.verdict.tell and met.said:
            yield met.place({"how": met.verdict.how, "advice": met.verdict.tell})


RULE = Rule(
    code="translated-key",
    severity=Severity.ADVISE,
    title="A key that means something else here",
    message="`{key}` {how}.",
    instead="{advice}",
    why="Spin has another word for what some keys ask for, and gives them what comes closest. Where that is not "
    "exactly what Docker Compose would do, this says what it is.",
    example="""
        services:
          web:
            image: nginx:1.27
            container_name: frontend
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
