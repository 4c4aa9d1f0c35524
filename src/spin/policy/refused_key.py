"""Keys that cannot be carried out, or must not be: the table of keys says why, and what to write."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.keys import FILE, Refused, walk


def _find(case: Case) -> Iterator[Place]:
    for met in walk(case.document, FILE):
        if isinstance(met.verdict, Refused) and met.said:
            yield met.place({"reason": met.verdict.reason, "advice": met.verdict.instead})


RULE = Rule(
    code="refused-key",
    severity=Severity.REFUSE,
    title="A key that cannot be carried out, or must not be, is refused",
    message="`{key}` {reason}.",
    instead="{advice}",
    why="Some keys would reach outside the stack, some need what the site does not have, and some cannot be carried out "
    "faithfully. To drop them would run something else than the file says; so each is refused, with the reason and with "
    "what to write instead. The reference of Compose files lists them all.",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes_from: [data]
          data:
            image: nginx:1.27
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            volumes: [files:/srv]
        volumes:
          files:
    """,
    find=_find,
)
