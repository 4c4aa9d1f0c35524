"""What an engine says is there. Rebuilt in each pass from the engine's own objects; complete by construction, or observing raises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from spin.model.names import InstanceId
from spin.model.subnets import service_address


class Phase(Enum):
    """Where an instance is in its life.

    CREATED never started · STARTING runs, not yet ready · READY runs and answers · UNHEALTHY runs, its health check fails ·
    EXITED ended (see `exit_code`) · UNKNOWN cannot be told, or cannot be acted on now: neither start nor stop is safe.
    """

    CREATED = "created"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Instance:
    """One container (or pod)."""

    id: InstanceId
    name: str
    """The engine's name for it, derived from deployment, service, template digest, slot and attempt."""
    service: str
    digest: str
    """Template digest it was made from (`spin.model.stack.template_digest`)."""
    slot: int
    """Instance number within the service, from 1."""
    attempt: int
    """Counts the containers made for this slot and digest, from 1."""
    phase: Phase
    since: datetime
    """When it entered the phase: created, started or finished."""
    address: str | None = None
    """Where the edge reaches it: an IP address, set while it runs."""
    exit_code: int | None = None
    oom_killed: bool = False
    restarts: int = 0
    """How often the engine has restarted it by itself."""
    detail: str = ""
    """Why it is as it is, in a few words: last probe output, start error."""
    addresses: tuple[tuple[str, str], ...] = ()
    """(Compose name of a network, its IP address there), set while it runs."""
    altered: str = ""
    """What somebody has changed about it by hand ("renamed to x"), so that it is no longer what was created; empty if nothing."""
    connections: int | None = None
    """Open TCP connections that others have made to it; None where that cannot be told."""
    routed: bool = False
    """Some table leads to it: the edge's, or that of service addresses. Filled in by the loop, as the rest below."""
    reached: bool = False
    """Every table that should lead to it does."""
    ready_since: datetime | None = None
    """When it was first seen READY in this run."""
    draining_since: datetime | None = None
    """When it was first seen to run without being routed, after it had been."""
    started: datetime | None = None
    """When its process began, the last time; None before the first start, or where the engine cannot say."""

    @property
    def alive(self) -> bool:
        """A process runs, or may run."""
        return self.phase in (Phase.STARTING, Phase.READY, Phase.UNHEALTHY, Phase.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Link:
    """A network as the host sees it: what service addresses need to know."""

    network: str
    """Compose name."""
    interface: str
    """Name of the bridge on the engine's host."""
    subnet: str
    """`10.208.0.0/25`."""
    internal: bool = False
    services: str = ""
    """The half of the subnet that is for stable addresses: `10.208.0.64/26`; empty where the engine may give them to containers."""

    def service_address(self, number: int) -> str | None:
        """The stable address of service `number` (from 1) on this network; None where there is none for it."""
        return service_address(self.services, number) if self.services else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of one deployment that exists on the engine."""

    instances: tuple[Instance, ...] = ()
    networks: tuple[str, ...] = ()
    """Compose names of the networks that exist."""
    volumes: tuple[str, ...] = ()
    """Compose names of the volumes that exist."""
    files: tuple[tuple[str, str], ...] = ()
    """(service, template digest) pairs whose secrets and configs have been delivered to the engine."""
    images: frozenset[str] = frozenset()
    """Pinned images (`repository@digest`) that are present, among those the planner may need."""
    links: tuple[Link, ...] = ()
    """Of `networks`, those that are a bridge on the engine's host."""


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP name of one service, and where it leads."""

    host: str
    owner: str
    """Text form of the DeploymentKey that it belongs to."""
    targets: tuple[str, ...]
    """`address:port` of each routed instance, sorted."""
    hold: bool = False
    """Without targets: let visitors wait for some seconds, as one is about to come, instead of telling them that there is none."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What leads to a deployment's containers: its routes at the edge, and its services' stable addresses."""

    routes: tuple[Route, ...] = ()
    addresses: tuple[ServiceAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """The stable address of one service on one network, and the containers that new connections to it are spread over."""

    owner: str
    """Text form of the DeploymentKey that it belongs to."""
    network: str
    """Compose name of the network."""
    service: str
    address: str
    """The stable address."""
    within: str
    """The half of the network's subnet that is for such addresses: `10.208.0.64/26`."""
    interface: str
    """Connections come in from this bridge only: the network's."""
    targets: tuple[str, ...]
    """IP addresses of the routed containers on that network, sorted."""
    hold: bool = False
    """Without targets: let connections wait, as one is about to come, instead of refusing them."""
