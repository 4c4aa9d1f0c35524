"""What `spin why` is made of: facts about a stack, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from spin.model.names import InstanceId


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """One answer of a container's health check."""

    time: datetime
    """When it was over."""
    exit_code: int
    """0 is well."""
    output: str


@dataclass(frozen=True, slots=True)
class Probed:
    """A container's health check and its last answers, the oldest first."""

    id: InstanceId
    container: str
    """`stack-service-N`."""
    service: str
    test: str
    """The command, as a Compose file says it; empty where it has none."""
    answers: tuple[ProbeAnswer, ...] = ()


class Source(Enum):
    """Where an entry of a time-line comes from."""

    REVISION = "revision"
    CHANGE = "change"
    """What people asked for beside revisions, and what the platform decided."""
    STATE = "state"
    CONTAINER = "container"
    STEP = "step"
    FAILURE = "failure"
    """A step, or an upgrade, failed."""
    PROBE = "probe"
    ENGINE = "engine"
    EDGE = "edge"
    """Failures that visitors met."""
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on a stack's time-line."""

    time: datetime
    source: Source
    text: str
    service: str | None = None
    container: str | None = None
    cause: str = ""
    actor: str = ""
    """Who asked for it; empty where nobody did."""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong, since when, and what changed just before; and the time-line behind it."""

    sentence: str
    """Times in it are UTC."""
    well: bool
    """Nothing is wrong and nothing is under way."""
    state: str
    """Of the stack or service; `gone` where there is none any more."""
    since: datetime | None
    """Since when it is as the sentence says."""
    change: Entry | None
    """What came just before."""
    timeline: tuple[Entry, ...]
    """The oldest first."""
