"""What containers use: one look at one container, and what a service used in a step of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spin.model.names import DeploymentKey, InstanceId

STEP = timedelta(minutes=5)
"""Use is remembered in steps of this length, which begin at whole multiples of it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One container's counters at one moment. They begin at 0 with each of its runs."""

    key: DeploymentKey
    service: str
    slot: int
    id: InstanceId
    container: str
    """`stack-service-N`."""
    time: datetime
    cpu_ns: int = 0
    """Processor time used, nanoseconds."""
    cpus: float = 0.0
    """Its limit, cores; where it has none, the cores of its host."""
    periods: int = 0
    """Periods (of 100 ms) in which it was held to its limit of processor time, or could have been."""
    throttled: int = 0
    """Those of them in which it wanted more than it got."""
    memory: int = 0
    """Bytes that cannot be taken from it: without the part of the page cache that nobody has used for long."""
    memory_limit: int = 0
    """Bytes; 0 = none."""
    received: int = 0
    """Bytes over all of its networks, as the next two."""
    sent: int = 0
    read: int = 0
    """Bytes from block devices."""
    written: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the containers of one service used from `start` on. Averages and extremes are those of a single container."""

    key: DeploymentKey
    service: str
    start: datetime
    samples: int = 0
    """How many samples of containers it was made of."""
    containers: int = 0
    """How many there were at a time, at most."""
    cpu_avg: int = 0
    """Thousandths of a core, as the others of processor time; each value is the average of a minute."""
    cpu_min: int = 0
    cpu_max: int = 0
    cpu_limit: int = 0
    """Of the newest container."""
    periods: int = 0
    throttled: int = 0
    """Of `periods`: see `Sample`."""
    memory_avg: int = 0
    """Bytes."""
    memory_min: int = 0
    memory_max: int = 0
    memory_limit: int = 0
    received: int = 0
    """Bytes in this step, of all containers together, as the next three."""
    sent: int = 0
    read: int = 0
    written: int = 0
    failed: int = 0
    """Answers with status 5xx that visitors got through the edge."""
