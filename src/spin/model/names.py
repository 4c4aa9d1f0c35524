"""Names of things, and what makes one valid.

Names become DNS labels, file names, image repositories and container labels, so the narrowest of these decides: lower-case
letters, digits and single hyphens, beginning with a letter or digit (RFC 1123 labels, at most 40 characters here, which
leaves room for what the engines add).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

from spin.errors import InvalidInput

ProjectName = NewType("ProjectName", str)
EnvironmentName = NewType("EnvironmentName", str)
StackName = NewType("StackName", str)
ServiceName = NewType("ServiceName", str)
InstanceId = NewType("InstanceId", str)

NAME_LENGTH = 40
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){0,38}(?<!-)", re.ASCII)
# Keys of a Compose file (services, volumes, networks, configs, secrets): the Compose Specification's pattern, bounded.
_COMPOSE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class DeploymentKey:
    """A stack in an environment, owned by a project. The stack's name is unique within the environment, over all projects."""

    project: ProjectName
    environment: EnvironmentName
    stack: StackName

    def __str__(self) -> str:
        return f"{self.project}/{self.environment}/{self.stack}"


def fold_host(host: str) -> str:
    """Host names are compared without case and without the root's dot."""
    return host.lower().rstrip(".")


def check_name(what: str, name: str) -> str:
    """`name`, if it is a valid name of a `what` (project, environment, stack, user). Raises InvalidInput, saying how to mend it."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of a {what}: use at most {NAME_LENGTH} lower-case letters, digits and single hyphens, "
            "with a letter or digit at both ends.",
            name=name,
        )
    return name


def check_compose_name(what: str, name: str) -> str:
    """`name`, if it may name a `what` (service, volume, network, config, secret) in a Compose file. Raises InvalidInput."""
    if not _COMPOSE_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of a {what}: use at most 63 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit.",
            name=name,
        )
    return name


def stack_name_from(directory: str) -> StackName:
    """The stack name that a directory's name suggests: lower case, every other character a hyphen, as Docker Compose does it.

    Raises InvalidInput where nothing usable is left.
    """
    folded = re.sub(r"[^a-z0-9]+", "-", directory.lower()).strip("-")[:NAME_LENGTH].strip("-")
    return StackName(check_name("stack", folded))


def host_label(service: str) -> str:
    """The service's part of its host name: lower case, every run of other characters one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")


def service_host(stack: str, environment: str, service: str, domain: str) -> str:
    """The host name that every service with a public port has."""
    return f"{host_label(service)}.{stack}.{environment}.{domain}"


def container_name(stack: str, service: str, slot: int) -> str:
    """The name people see: `stack-service-N` (DOMAIN: Words). Engines may add to it to keep sites and revisions apart."""
    return f"{stack}-{service}-{slot}"
