"""A port on the host's own address is for the workstation's owner: here it is not published."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.addresses import is_loopback
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, items
from spin.policy.host_address import address_of


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        for index, entry in items(content.get("ports")):
            address = address_of(entry)
            if address is not None and is_loopback(address):
                yield Place(f"services.{service}.ports[{index}]", service, {"address": address})


RULE = Rule(
    code="loopback-port",
    severity=Severity.WARN,
    title="A port on the host's own address is open to the stack alone",
    message="A port on {address} is not published: nobody but the host could reach it there. The stack's services do.",
    instead='For HTTP write `x-spin: {{http: PORT}}`; to let others in, leave the address out ("8080:80").',
    why="`127.0.0.1` in a Compose file means *only I* on a workstation. On a shared host it would mean the operators and nobody "
    "else; and to publish the port for everybody in its class is the contrary of what was asked for. So it stays inside.",
    example="""
        services:
          db:
            image: postgres:16
            ports: ["127.0.0.1:5432:5432"]
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            expose: [5432]
    """,
    find=_find,
)
