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
    UPGRADED = "upgraded"
    """Everything runs, and the containers from before are kept until somebody confirms."""
    ROLLING_BACK = "rolling-back"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    COMPLETED = "completed"
    SCHEDULED = "scheduled"
    """A job: it runs at its times, whether or not one of its runs goes on now."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    REMOVING = "removing"
    REMOVED = "removed"


SETTLED = frozenset({State.HEALTHY, State.UPGRADED, State.COMPLETED, State.SCHEDULED, State.STOPPED, State.REMOVED, State.FAILED})
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
    kept: bool = False
    """Not wanted now, but kept until the upgrade is confirmed."""
    ready_since: datetime | None = None
    draining_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    service: str
    state: State
    ready: int
    wanted: int
    detail: str = ""
    """Why it is not healthy, in one line."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an upgrade stopped."""

    service: str
    reason: str
    """One line, such as "shop-api-1: unhealthy: health check: connection refused"."""
    when: datetime
    log: tuple[str, ...] = ()
    """The last lines that the failing container wrote."""
    held: tuple[str, ...] = ()
    """The services that stay with the base: those that were not upgraded yet."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an unconfirmed upgrade is. Carried from pass to pass; belongs to the upgrade with the same `changed`."""

    changed: datetime
    complete: datetime | None = None
    """When everything was seen to run, for the first time."""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """As of one pass of the controller. `generation` is that of the deployment it was computed for: older means "not seen yet"."""

    generation: int
    state: State
    services: tuple[ServiceStatus, ...]
    instances: tuple[InstanceStatus, ...]
    observed: datetime
    detail: str = ""
    worked: int = 0
    """The newest revision that was seen to run as a whole; 0 = none so far."""
    progress: Progress | None = None
    """None where no upgrade is unconfirmed."""

    @property
    def settled(self) -> bool:
        """Nothing is under way any more. A stack of which a part was stopped is degraded, and settled all the same."""
        return self.state in SETTLED or (bool(self.services) and all(s.state in SETTLED for s in self.services))
