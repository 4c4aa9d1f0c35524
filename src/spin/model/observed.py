"""What an engine says is there. Rebuilt in each pass from the engine's own objects; complete by construction, or observing raises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from spin.model.names import InstanceId


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
    routed: bool = False
    """The edge sends requests to it. Filled in by the loop from the edge's table, not by engines."""

    @property
    def alive(self) -> bool:
        """A process runs, or may run."""
        return self.phase in (Phase.STARTING, Phase.READY, Phase.UNHEALTHY, Phase.UNKNOWN)


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


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP name of one service, and where it leads."""

    host: str
    owner: str
    """Text form of the DeploymentKey that it belongs to."""
    targets: tuple[str, ...]
    """`address:port` of each routed instance, sorted."""
