"""A privileged container is root on the host."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, "privileged")


RULE = Rule(
    code="privileged",
    severity=Severity.REFUSE,
    title="A container is never privileged",
    message="A privileged container has all rights on the host.",
    instead="Leave `privileged` out; if the program needs one capability, name it in `cap_add`.",
    why="A privileged container sees all devices and can load modules into the kernel: whoever breaks into it, or "
    "builds its image, is root on the host that carries everybody's stacks. Most programs that are said to need it "
    "want one capability, or a directory they may write to.",
    example="""
        services:
          web:
            image: nginx:1.27
            privileged: true
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            cap_add: [NET_BIND_SERVICE]
    """,
    find=_find,
)
