"""`dns`: servers that answer a container's questions for names outside the stack."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.addresses import why_not
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        for address in service.dns.servers:
            if there := why_not(address, case.site):
                yield Place(f"services.{service.name}.dns", service.name, {"address": address, "there": there})


RULE = Rule(
    code="dns",
    severity=Severity.REFUSE,
    title="A DNS server is another machine, not the platform",
    message="The DNS server {address} would be {there}.",
    instead="Leave `dns` out: the engine's own resolver knows the stack's services, and asks the host's servers for the rest.",
    why="The engine asks a container's DNS servers on its behalf. A server of the institution is fine; the platform's "
    "own host, a cloud's metadata service and other stacks' networks are not there to answer questions.",
    example="""
        services:
          web:
            image: nginx:1.27
            dns: 127.0.0.1
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            dns: 192.0.2.53
    """,
    find=_find,
)
