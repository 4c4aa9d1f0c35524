"""`extra_hosts`: names in a container's /etc/hosts."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.addresses import why_not, why_not_name
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    services = {s.name.lower() for s in case.spec.services}
    for service in case.spec.services:
        for name, address in service.extra_hosts:
            there = why_not(address, case.site)
            reason = (
                f"would lead to {there}"
                if there
                else "is the name of a service of the stack"
                if name in services
                else why_not_name(name, case.site)
            )
            if reason is not None:
                values = {"name": name, "address": address, "reason": reason}
                yield Place(f"services.{service.name}.extra_hosts", service.name, values)


RULE = Rule(
    code="extra-hosts",
    severity=Severity.REFUSE,
    title="A host's name leads to another machine, not to the platform",
    message="`{name}` at {address} {reason}.",
    instead="Leave it out: services reach each other by service name, other stacks by the host names that the platform gives them.",
    why="A line in /etc/hosts wins over every other answer. It may name a database of the institution; it must not "
    "make a container take the platform's host, a cloud's metadata service or another stack's container for "
    "something else, nor hide a service of its own stack.",
    example="""
        services:
          web:
            image: nginx:1.27
            extra_hosts: ["host.docker.internal=host-gateway"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            extra_hosts: ["archive.physics.example=192.0.2.7"]
    """,
    find=_find,
)
