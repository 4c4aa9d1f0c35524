"""Names and labels: how Spin's things on an engine are told from each other and from everybody else's. Pure.

Labels carry the truth; names exist so that creating twice makes one thing. The parts of a name are joined by `_`, which no name
of an environment or a stack can hold (`spin.model.names`): with `-`, volume `data` of the stack `shop-db` and volume `db-data` of
the stack `shop` would be one volume. The project is in the labels only (a stack's name is unique within its environment), so a
volume that an earlier owner of that name left behind is recognised as foreign, and never mounted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from spin.errors import Failed
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName

PREFIX = "spin."
"""Labels that begin so are Spin's; users' labels of that name are left out."""

SITE = "spin.site"
PROJECT = "spin.project"
ENVIRONMENT = "spin.environment"
STACK = "spin.stack"
KIND = "spin.kind"
NAME = "spin.name"
"""Compose name of a network or volume."""
SERVICE = "spin.service"
SLOT = "spin.slot"
ATTEMPT = "spin.attempt"
DIGEST = "spin.digest"
HTTP = "spin.http"
"""Port on which the container speaks HTTP; empty where it does not."""
TTY = "spin.tty"
"""`true`: the container has a terminal, so that its log is one stream without frames; empty: it has none."""
NETWORKS = "spin.networks"
"""JSON list of [Compose name of a network, aliases there], in the order of the service's `networks`."""
ADDRESSES = "spin.addresses"
"""JSON object with the address that the container keeps on each network, by Compose name; none without `retain_ip`."""
BINDS = "spin.binds"
"""JSON list of the places where the container has paths of the site's filesystems; nothing where there are none."""
LIMITS = "spin.limits"
"""JSON object with what the container was created with of that which can be changed while it runs (`spin.engines.docker.altered`)."""


class Kind(Enum):
    """What a thing on the engine is to Spin."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"
    FILES = "files"
    """Volume with the configs and secrets of one service and template digest."""
    DELIVERED = "delivered"
    """Empty volume that says: the files volume beside it is complete. Made last, removed first."""
    SCRATCH = "scratch"
    """Anonymous volume that is a container's tmpfs, and goes with it."""
    ONE_OFF = "one-off"
    """Container of `spin run`: no instance of its service, and removed when its command has ended or its client has gone."""
    HELPER = "helper"
    """Container that is never started: the door through which files are put into a volume."""


def labels_for(site: str, key: DeploymentKey, kind: Kind, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        SITE: site,
        PROJECT: key.project,
        ENVIRONMENT: key.environment,
        STACK: key.stack,
        KIND: kind.value,
        **(more or {}),
    }


def user_labels(labels: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The labels that a Compose file gives, without those that only Spin may set."""
    return {name: value for name, value in labels if not name.startswith(PREFIX)}


def selector(site: str, key: DeploymentKey | None = None, *kinds: Kind, project: str | None = None, **exact: str) -> str:
    """The engine's `filters` parameter for things of this site; several `kinds` cannot be asked for at once, so at most one."""
    wanted = {SITE: site}
    if key is not None:
        wanted |= {PROJECT: key.project, ENVIRONMENT: key.environment, STACK: key.stack}
    if project is not None:
        wanted[PROJECT] = project
    for kind in kinds:
        wanted[KIND] = kind.value
    wanted |= {PREFIX + name: value for name, value in exact.items()}
    return json.dumps({"label": [f"{name}={value}" for name, value in sorted(wanted.items())]})


def key_of(labels: Mapping[str, str]) -> DeploymentKey | None:
    """The deployment that labels name; None if they name none."""
    try:
        return DeploymentKey(ProjectName(labels[PROJECT]), EnvironmentName(labels[ENVIRONMENT]), StackName(labels[STACK]))
    except KeyError:
        return None


def belongs(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """`labels` say all that `wanted` says."""
    return labels is not None and all(labels.get(name) == value for name, value in wanted.items())


def require(what: str, thing: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Raises Failed unless the engine's `thing` (called `what` in the message) carries the `wanted` labels."""
    if not belongs(thing.get("Labels"), wanted):
        raise Failed(f"{what} is on the engine already and belongs to something else; Spin does not touch it.")


def base(site: str, key: DeploymentKey) -> str:
    """What the engine's names of a deployment's things begin with."""
    return f"spin-{site}_{key.environment}_{key.stack}"


def container(site: str, key: DeploymentKey, service: str, slot: int, digest: str, attempt: int) -> str:
    return f"{base(site, key)}_{service}-{slot}-{digest[:8]}-{attempt}"


def one_off(site: str, key: DeploymentKey, service: str, number: str) -> str:
    return f"{base(site, key)}_{service}-run-{number}"


def network(site: str, key: DeploymentKey, name: str) -> str:
    return f"{base(site, key)}_{name}"


def volume(site: str, key: DeploymentKey, name: str) -> str:
    return f"{base(site, key)}_{name}"


def files(site: str, key: DeploymentKey, service: str, digest: str) -> str:
    """Volume with a service's files; its marker and the helper container add to this name."""
    return f"{base(site, key)}_files-{service}-{digest[:12]}"
