"""The convention of secret names (DOMAIN: `<service>.<stack>.<file>` or `<stack>.<file>`)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for secret in case.spec.secrets:
        parts = secret.stored.split(".")
        if secret.external and (len(parts) < 2 or not all(parts)):
            yield Place(f"secrets.{secret.name}", None, {"name": secret.stored})


RULE = Rule(
    code="secret-names",
    severity=Severity.ADVISE,
    title="A stored secret is named for the stack that it belongs to",
    message="By convention a secret is named <stack>.<file> or <service>.<stack>.<file>; {name} does not say whose it is.",
    instead="Leave `name` out, then it is STACK.KEY; or store it once more as STACK.{name} and name that.",
    why="All secrets of a project in an environment stand in one list, without their values. A name that begins with the stack says who "
    "breaks when it is changed, and keeps two stacks from taking each other's `password`. The original platform had the same convention; "
    "secrets that travel with the file get such names by themselves.",
    example="""
        services:
          db:
            image: postgres:16
            secrets: [password]
        secrets:
          password: {external: true, name: PASSWORD}
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            secrets: [password]
        secrets:
          password: {external: true, name: shop.password}
    """,
    find=_find,
)
