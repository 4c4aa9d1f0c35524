"""Kernel parameters."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, keys_said


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, "sysctls")


RULE = Rule(
    code="sysctls",
    severity=Severity.REFUSE,
    title="Parameters of the kernel are the host's",
    message="`sysctls` would change parameters of the kernel.",
    instead="Leave `sysctls` out; ports below 1024 can be opened with `cap_add: [NET_BIND_SERVICE]`.",
    why="Some parameters hold for the container alone, others for the whole machine, and which is which changes with "
    "the kernel. The one that is asked for most, opening a port below 1024 without being root, has a capability of "
    "its own.",
    example="""
        services:
          web:
            image: nginx:1.27
            sysctls: {net.ipv4.ip_unprivileged_port_start: "0"}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            cap_add: [NET_BIND_SERVICE]
    """,
    find=_find,
)
