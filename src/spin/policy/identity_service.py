"""Authentication and security services do not fit on a container platform without a word with the operators (DOMAIN: fit)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Parameter, Place, Rule
from spin.policy.programs import command_line
from spin.policy.wellknown import named_like

PROGRAMS = Parameter(
    "programs",
    (
        *(
            "slapd",
            "ns-slapd",
            "krb5kdc",
            "kadmind",
            "kdc",
            "radiusd",
            "freeradius",
            "lldap",
            "glauth",
            "kc.sh",
            "authentik",
            "authelia",
        ),
        *("dex", "hydra", "kratos", "zitadel", "vault", "openbao", "bao", "ipa-server-install", "step-ca"),
    ),
    "Programs that say who somebody is, or keep an institution's keys.",
)
IMAGES = Parameter(
    "images",
    (
        *(
            "openldap",
            "ldap",
            "389ds",
            "389-ds",
            "lldap",
            "glauth",
            "freeipa",
            "freeipa-server",
            "ipa-server",
            "samba-dc",
            "samba-ad-dc",
        ),
        *(
            "krb5",
            "kerberos",
            "kdc",
            "freeradius",
            "radius",
            "keycloak",
            "goauthentik",
            "authentik",
            "authelia",
            "zitadel",
            "casdoor",
            "gluu",
        ),
        *(
            "simplesamlphp",
            "shibboleth-idp",
            "dex",
            "hydra",
            "kratos",
            "vault",
            "openbao",
            "step-ca",
            "privacyidea",
            "fusionauth-app",
        ),
    ),
    "Words in the names of such images.",
)
_NOT = ("exporter", "client", "proxy", "agent", "ui", "admin", "backup")
"""Words in the names of images that are only about such a service."""
_STARTS = {"vault": "server", "openbao": "server", "bao": "server", "dex": "serve", "hydra": "serve", "kratos": "serve"}
"""Programs that are clients, too: what the server's command line says."""


def found_in(case: Case, service: ServiceSpec) -> tuple[str, str] | None:
    """The key that says so and the identity service that the service starts. `case` has the settings of this rule."""
    line = command_line(service, case.facts(service))
    programs = PROGRAMS.of(case)
    for process in line.processes:
        needed = _STARTS.get(process.program)
        if process.program in programs and (needed is None or needed in process.arguments):
            return line.key, process.program
    if named_like(service.image, _NOT) is not None:
        return None
    if service.image.repository.lower().endswith("/goauthentik/server"):
        return "image", "authentik"
    named = named_like(service.image, IMAGES.of(case))
    return ("image", named) if named is not None else None


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        found = found_in(case, service)
        if found is not None:
            yield Place(f"services.{service.name}.{found[0]}", service.name, {"service": service.name, "program": found[1]})


RULE = Rule(
    code="identity-service",
    severity=Severity.WARN,
    title="Who somebody is, the institution says",
    message="{service} is an authentication or security service ({program}). The operators look at those before they go to production: "
    "what other services trust with their passwords and keys belongs under the institution's own care.",
    instead="Use the institution's identity provider (OpenID Connect, SAML, LDAP) from your service. For tests of your own this may stay "
    "in development; otherwise talk to the operators first.",
    why="""Web services, databases and workflow managers fit here; authentication and security services (LDAP, Kerberos, RADIUS, identity
        providers, stores of keys) do not: a second place where people type their password is a place where it gets lost, and
        a fault in it is a fault in everything that trusts it. In an environment that the site file marks as `reviewed` only
        an operator can bring such a stack up; elsewhere this is a warning.""",
    example="""
        services:
          app-sso:
            image: quay.io/keycloak/keycloak:26.0
    """,
    fixed="""
        services:
          app:
            image: quay.io/lab/portal:1.0
            environment: {OIDC_ISSUER: "https://login.example.org"}
    """,
    site='image_sources = ["docker.io", "quay.io"]',
    review=True,
    find=_find,
    parameters=(PROGRAMS, IMAGES),
)
