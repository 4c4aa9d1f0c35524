"""Kernel parameters: those of the container's own network, and no others."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule

OWN = (
    "net.core.somaxconn",
    *(
        f"net.ipv4.{name}"
        for name in ("ip_local_port_range", "ip_local_reserved_ports", "ip_unprivileged_port_start", "ping_group_range")
    ),
    *(
        f"net.ipv4.tcp_{name}"
        for name in ("fin_timeout", "keepalive_intvl", "keepalive_probes", "keepalive_time", "syncookies", "tw_reuse")
    ),
    *(f"net.ipv6.conf.{name}.disable_ipv6" for name in ("all", "default", "lo")),
)
"""Parameters that each network namespace has of its own and that bound no kernel memory: Kubernetes' safe set without the buffers'
sizes, and some that programs ask for in their manuals (Redis: somaxconn).
"""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        for name, _ in service.sysctls:
            if name not in OWN:
                values = {"name": name, "own": ", ".join(OWN)}
                yield Place(f"services.{service.name}.sysctls.{name}", service.name, values)


RULE = Rule(
    code="sysctls",
    severity=Severity.REFUSE,
    title="Parameters of the kernel are the host's, but for some of the container's own network",
    message="`{name}` would change a parameter of the host's kernel.",
    instead="Leave it out. These are the container's own: {own}.",
    why="Some parameters hold for the container's network alone, others for the whole machine. Those that are known "
    "to be the container's own, and cost the machine nothing, can be set; all others are the host's.",
    example="""
        services:
          cache:
            image: redis:7
            sysctls: {vm.overcommit_memory: 1, net.core.somaxconn: 1024}
    """,
    fixed="""
        services:
          cache:
            image: redis:7
            sysctls: {net.core.somaxconn: 1024}
    """,
    find=_find,
)
