"""Capabilities: all are dropped, and some few can be added back (DOMAIN: the table of the original platform, the column
without an external filesystem).
"""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule

ALLOWED = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        for capability in service.cap_add:
            if capability not in ALLOWED:
                values = {"capability": capability, "allowed": ", ".join(ALLOWED)}
                yield Place(f"services.{service.name}.cap_add", service.name, values)


RULE = Rule(
    code="capabilities",
    severity=Severity.REFUSE,
    message="The capability {capability} is not given to containers.",
    instead="Leave it out. These can be added: {allowed}.",
    find=_find,
)
