"""Events: what happened on the site, when, who or what did it, and why. Written once, never edited, forgotten by age and number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

LONGEST = 500
"""Characters of a text that are kept."""


class Kind(Enum):
    """What sort of thing happened."""

    ACCEPTED = "accepted"
    """A person asked for a change and got it."""
    REFUSED = "refused"
    """A person asked for a change and did not get it."""
    DECIDED = "decided"
    """The platform changed what is wanted by itself: an automatic rollback or confirmation."""
    STATE = "state"
    """A stack or a service is in another state."""
    CONTAINER = "container"
    """A container came, changed, or went."""
    STEP = "step"
    """The controller did something on the engine or at the edge."""
    FAILED = "failed"
    """A step, an upgrade, or a run of a job, failed."""


AUDIT = frozenset({Kind.ACCEPTED, Kind.REFUSED, Kind.DECIDED})
"""The kinds of `spin audit`: every change of what is wanted, and every attempt."""

PLATFORM = "spin"
"""The actor of what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """From where a person asked."""

    address: str = ""
    """Of the connection: the client's, or that of a proxy in front of the API."""
    agent: str = ""
    """What the client calls itself."""
    key: str | None = None
    """Identifier of the API key; None for a password."""
    request: str = ""
    """The request's identifier, which the platform's own log has, too."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `project` is None for what concerns the site; the other names as far as they apply."""

    time: datetime
    kind: Kind
    text: str
    """One sentence without a full stop, such as `web: initializing -> healthy`."""
    actor: str = PLATFORM
    """The person, or `spin`."""
    verb: str = ""
    """What was asked for, such as `deploy`; empty for what was only seen."""
    cause: str = ""
    """Why: the reason of a step, of a refusal, of a state."""
    project: str | None = None
    environment: str | None = None
    stack: str | None = None
    service: str | None = None
    container: str | None = None
    """`stack-service-N`."""
    revision: int | None = None
    code: str | None = None
    """Of the error, where it was refused or failed."""
    caller: Caller | None = None
    """None for what nobody asked for."""
    number: int = 0
    """Given by the store: later events have greater numbers."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events. `project` None: those of all projects and of the site."""

    project: str | None = None
    environment: str | None = None
    stack: str | None = None
    service: str | None = None
    actor: str | None = None
    kinds: frozenset[Kind] | None = None
    after: int | None = None
    """Only later ones than this number; then the earliest `last` of them, so that following loses none."""
    since: datetime | None = None
    until: datetime | None = None
    last: int = 100
    """So many at most."""
