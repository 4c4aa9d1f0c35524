"""Ports on which people log in."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

PORTS = {"22": "SSH", "88": "Kerberos", "389": "LDAP", "636": "LDAP", "1812": "RADIUS"}


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.shipped():
        if i.name == "EXPOSE":
            for word in i.words:
                if (port := word.partition("/")[0]) in PORTS:
                    yield Spot(i.line, {"port": port, "what": PORTS[port]})


RULE = Rule(
    code="dockerfile-login-port",
    severity=Severity.WARN,
    title="Containers are no place to log in",
    message="EXPOSE {port} is {what}: services for logging in and for accounts do not run here.",
    instead="Take it away; `spin logs` shows what a container says, and a change is a new image.",
    why="A way in is a way in for others too, past the site's own sign-in and its records. What is changed by hand in a container is gone "
    "with the next upgrade. Services for accounts are the institution's own.",
    example="""
        FROM debian:13-slim
        EXPOSE 8080 22
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        EXPOSE 8080
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
