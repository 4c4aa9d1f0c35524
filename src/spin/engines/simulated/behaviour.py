"""How simulated containers behave, and what can go wrong with the engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from spin.model.steps import EngineStep


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a container does once it is started. Times count from the start of each run."""

    ready_after: timedelta | None = timedelta(milliseconds=500)
    """When it becomes ready; None = never."""
    unhealthy_after: timedelta | None = None
    """When its health check begins to fail, for good."""
    exits_after: timedelta | None = None
    """When its main process ends by itself."""
    exit_code: int = 0
    out_of_memory: bool = False
    """It ends because it ran out of memory (exit status 137, whatever `exit_code` says)."""
    probe_output: str = "connection refused"
    """What the failing health check prints."""
    stops_after: timedelta = timedelta(0)
    """How long it takes to end when asked; it is killed when its grace is over first."""


class Fault(Enum):
    """What goes wrong with a step."""

    FAILS = "fails"
    """Nothing is done, and the engine says why (Failed)."""
    UNREACHABLE = "unreachable"
    """Nothing is done, and the engine does not answer (EngineUnavailable)."""
    ANSWER_LOST = "answer lost"
    """The step is done, but the answer never arrives (EngineUnavailable)."""


@dataclass(slots=True)
class FaultRule:
    """The next `times` matching steps (None = all from now on) meet `fault`."""

    step: type[EngineStep]
    fault: Fault
    message: str
    service: str | None
    times: int | None
