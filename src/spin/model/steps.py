"""Steps: what a plan is made of. One frozen class each, no optional fields, and every step says why.

Every step is idempotent: "exists already" and "is gone already" are success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from spin.model.names import InstanceId
from spin.model.stack import Config, Grant, Network, ServiceSpec, Volume


@dataclass(frozen=True, slots=True)
class PullImage:
    pinned: str
    cause: str


@dataclass(frozen=True, slots=True)
class EnsureNetwork:
    network: Network
    cause: str


@dataclass(frozen=True, slots=True)
class EnsureVolume:
    volume: Volume
    cause: str


@dataclass(frozen=True, slots=True)
class DeliverFiles:
    """Put a service's configs and secrets where its containers can mount them. Contents of secrets are fetched by the engine."""

    service: str
    digest: str
    image: str
    """Pinned image of the service: engines may need one to write through."""
    configs: tuple[tuple[Grant, Config], ...]
    secrets: tuple[tuple[Grant, str, int], ...]
    """(grant, stored name, version)."""
    cause: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Another service of the stack as a container finds it: `names` on `network` mean the stable address with that number."""

    network: str
    names: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Create:
    spec: ServiceSpec
    digest: str
    slot: int
    attempt: int
    cause: str
    peers: tuple[Peer, ...] = ()
    """The other services, for engines with service addresses; no part of the container's identity."""


@dataclass(frozen=True, slots=True)
class Start:
    id: InstanceId
    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class RouteTo:
    id: InstanceId
    name: str
    service: str
    cause: str


@dataclass(frozen=True, slots=True)
class Unroute:
    id: InstanceId
    name: str
    service: str
    cause: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the main process to end, and kill it when `grace_ms` is over."""

    id: InstanceId
    name: str
    grace_ms: int
    cause: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a container that does not run."""

    id: InstanceId
    name: str
    cause: str


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    service: str
    digest: str
    cause: str


@dataclass(frozen=True, slots=True)
class RemoveNetwork:
    network: str
    cause: str


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    """Delete a volume and its data; planned only with the approval stored in the deployment."""

    volume: str
    cause: str


EdgeStep: TypeAlias = RouteTo | Unroute
EngineStep: TypeAlias = (
    PullImage
    | EnsureNetwork
    | EnsureVolume
    | DeliverFiles
    | Create
    | Start
    | Stop
    | Remove
    | RemoveFiles
    | RemoveNetwork
    | RemoveVolume
)
Step: TypeAlias = EngineStep | EdgeStep
