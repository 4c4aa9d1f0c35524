"""Keys that the table of keys does not know: each is refused by name, none is dropped in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.keys import FILE, walk


def _find(case: Case) -> Iterator[Place]:
    for met in walk(case.document, FILE):
        if met.verdict is None:
            close = difflib.get_close_matches(met.key[:100], met.known, 1)
            yield met.place(
                {"advice": f"Did you mean `{close[0]}`?" if close else f"Leave it out; known here are {', '.join(met.known)}."}
            )


RULE = Rule(
    code="unknown-key",
    severity=Severity.REFUSE,
    title="A key that nobody knows is refused by name",
    message="`{key}` is not a key that is known here.",
    instead="{advice}",
    why="A platform that drops what it does not know runs something else than the file says, and nobody is told: a "
    "limit that is not there, a health check that never runs. Every key of a Compose file has a row in a table with "
    "what becomes of it; a key without a row is refused, so that new ones are decided upon before they do anything.",
    example="""
        services:
          web:
            image: nginx:1.27
            colour: blue
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
    find=_find,
)
