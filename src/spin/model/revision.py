"""Revisions and deployments: the desired state, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from spin.model.finding import Finding
from spin.model.names import DeploymentKey
from spin.model.stack import FailureAction, StackSpec


class Origin(Enum):
    """Which verb made a revision."""

    UP = "up"
    SCALE = "scale"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted state of a stack. Appended, never edited. `number` counts from 1 within the deployment."""

    number: int
    spec: StackSpec
    secret_versions: tuple[tuple[str, int], ...]
    """(stored name, version) for every secret that the stack uses, sorted."""
    author: str
    created: datetime
    origin: Origin
    findings: tuple[Finding, ...] = ()
    note: str = ""


class Goal(Enum):
    """What is wanted of the deployment as a whole."""

    RUNNING = "running"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ServiceWish:
    """What a person asked of one service beside its revision: `stop`, `start` and `restart`."""

    service: str
    stopped: bool = False
    started: datetime | None = None
    """When `start` was last asked for: a container that ended by itself before that moment is started once more."""
    restarts: int = 0
    """How often `restart` was asked for; part of the template digest, so that a restart is a replacement."""
    resumed: datetime | None = None
    """A rollback: containers that ended after this moment and before `started` were stopped by the upgrade, and run again."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """An upgrade that nobody has confirmed yet. The containers of `base` are kept, stopped, until then."""

    base: int
    """Number of the last confirmed revision."""
    restarts: tuple[tuple[str, int], ...]
    """The services' `restarts` when the base was left: the base's templates follow from them."""
    since: datetime
    """When the base was left."""
    changed: datetime
    """When the newest revision was accepted; deadlines count from here."""
    on_failure: FailureAction | None = None
    """What the person who asked wants; None: as the services and the environment say."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack in an environment. Written by use cases only; `generation` grows by one with each write (compare-and-set)."""

    key: DeploymentKey
    generation: int
    revision: int
    """Number of the desired revision."""
    goal: Goal = Goal.RUNNING
    wishes: tuple[ServiceWish, ...] = ()
    remove_volumes: bool = False
    """The stored approval to delete the volumes' data with the stack."""
    created: datetime | None = None
    changed: datetime | None = None
    upgrade: Upgrade | None = None
    """None: `revision` is confirmed."""
    numbers: tuple[tuple[str, int], ...] = ()
    """A number from 1 for each service that the stack has had: its stable address follows from it. Sorted by service."""

    def wish(self, service: str) -> ServiceWish:
        return next((w for w in self.wishes if w.service == service), ServiceWish(service))
