"""Security options of the engine (seccomp, AppArmor, no-new-privileges)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, items, keys_said

_HARMLESS = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")


def _find(case: Case) -> Iterator[Place]:
    for place in keys_said(case, "security_opt"):
        options = [
            option for name, content in case.services() if name == place.service for _, option in items(content["security_opt"])
        ]
        if not options or any(option not in _HARMLESS for option in options):
            yield place


RULE = Rule(
    code="security-opt",
    severity=Severity.REFUSE,
    title="The engine's protections stay on",
    message="`security_opt` would change the protections that every container has.",
    instead="Leave `security_opt` out; no-new-privileges holds for every container already.",
    why="seccomp, AppArmor and no-new-privileges stand between a program that was broken into and the kernel. "
    "`security_opt` can switch each of them off, and nothing in a Compose file says for which line of the program "
    "that was needed.",
    example="""
        services:
          web:
            image: nginx:1.27
            security_opt: ["seccomp:unconfined"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            security_opt: ["no-new-privileges:true"]
    """,
    find=_find,
)
