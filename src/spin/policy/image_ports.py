"""Images that say they listen where people log in or prove who they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.model.stack import ServiceSpec
from spin.policy import identity_service, login_service
from spin.policy.case import Case, Known, Place, Rule

PORTS: Mapping[int, str] = {
    22: "remote login, SSH",
    23: "remote login, Telnet",
    88: "Kerberos",
    389: "LDAP",
    464: "Kerberos passwords",
    636: "LDAP",
    1812: "RADIUS",
    1813: "RADIUS",
    3389: "remote desktops",
}
"""Ports and what they are for, by IANA's registry."""
_GIT = frozenset({"gitea", "forgejo", "gitlab-ce", "gitlab-ee", "gogs"})
"""Git over SSH: nobody gets a shell."""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        image = case.facts(service)
        name = service.image.repository.rpartition("/")[2]
        found = [port for port in image.exposed if port in PORTS and not (port == 22 and name in _GIT)] if image else []
        if found and not _is_told(case, service):
            said = ", ".join(f"{port} ({PORTS[port]})" for port in found)
            yield Place(f"services.{service.name}.image", service.name, {"ports": said, "service": service.name})


def _is_told(case: Case, service: ServiceSpec) -> bool:
    """Another rule says already what the service is."""
    rules = (login_service, identity_service)
    return any(fit.found_in(case.judged_by(fit.RULE.code), service) is not None for fit in rules)


RULE = Rule(
    code="image-ports",
    severity=Severity.WARN,
    title="An image does not listen for logins",
    message="The image of {service} says that it listens on {ports}. Services for logging in and for authentication do not run here.",
    instead="If the service does not need it, take an image without it, with one program. If it does, "
    "talk to the operators first.",
    why="""Ports 22, 389, 636, 88 and 1812 are those of remote login, LDAP, Kerberos and RADIUS. An image that has them holds more than a
        web service or a database: mostly an sshd that somebody added to look inside, with a password from its Dockerfile.
        Nothing reaches it from outside the stack unless it is published, but every other service of the stack does.""",
    example="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/app:1.1
    """,
    known=Known(
        images={
            "localhost:5000/lab/app:1.0": ImageFacts(exposed=(22, 8080), user="1000"),
            "localhost:5000/lab/app:1.1": ImageFacts(exposed=(8080,), user="1000"),
        }
    ),
    find=_find,
)
