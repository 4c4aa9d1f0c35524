"""Capabilities: all are dropped, and some few can be added back (DOMAIN: the table of the original platform, the column
without an external filesystem).
"""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule

OF_DOCKER = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
"""What Docker gives to any container. No site can allow more: the rest are ways out of a container."""

ALLOWED = Parameter(
    "allowed",
    ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"),
    "Capabilities that a service may add back with `cap_add`.",
    within=OF_DOCKER,
)


def _find(case: Case) -> Iterator[Place]:
    allowed = ALLOWED.of(case)
    for service in case.spec.services:
        for capability in service.cap_add:
            if capability not in allowed:
                values = {"capability": capability, "allowed": ", ".join(allowed) or "none"}
                yield Place(f"services.{service.name}.cap_add", service.name, values)


RULE = Rule(
    code="capabilities",
    severity=Severity.REFUSE,
    title="Of the capabilities only a few can be added back",
    message="The capability {capability} is not given to containers.",
    instead="Leave it out. These can be added: {allowed}.",
    why="Docker gives a container fourteen capabilities that hardly a program uses, and each is a part of root's power "
    "over the kernel. So all are dropped, as on the original platform, which allowed the same seven to be added "
    "back: those with which an entrypoint changes owners, becomes another user, and opens a port below 1024.",
    example="""
        services:
          web:
            image: nginx:1.27
            cap_add: [SYS_ADMIN]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            cap_add: [CHOWN, SETGID, SETUID]
    """,
    find=_find,
    parameters=(ALLOWED,),
)
