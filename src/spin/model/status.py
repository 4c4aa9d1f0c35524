"""Status: what the controller reports of a deployment, and what people see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class State(Enum):
    """One word for a service or a stack. The words are those of the original system where it had one."""

    HEALTHY = "healthy"
    INITIALIZING = "initializing"
    UPGRADING = "upgrading"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    COMPLETED = "completed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    REMOVING = "removing"
    REMOVED = "removed"


SETTLED = frozenset({State.HEALTHY, State.COMPLETED, State.STOPPED, State.REMOVED, State.FAILED})
"""States in which nothing is under way: `spin up` stops waiting."""


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    name: str
    """`stack-service-N`."""
    id: str
    service: str
    slot: int
    phase: str
    since: datetime
    current: bool
    """Made from the desired revision."""
    routed: bool
    address: str | None = None
    restarts: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    service: str
    state: State
    ready: int
    wanted: int
    detail: str = ""
    """Why it is not healthy, in one line."""


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """As of one pass of the controller. `generation` is that of the deployment it was computed for: older means "not seen yet"."""

    generation: int
    state: State
    services: tuple[ServiceStatus, ...]
    instances: tuple[InstanceStatus, ...]
    observed: datetime
    detail: str = ""

    @property
    def settled(self) -> bool:
        """Nothing is under way any more. A stack of which a part was stopped is degraded, and settled all the same."""
        return self.state in SETTLED or (bool(self.services) and all(s.state in SETTLED for s in self.services))
