"""Rounds over all deployments: which of them need a pass, although nothing has happened that anybody told of.

A pass for each would cost too much where there are a thousand. So a round takes a glance at all of them at once, and asks for a
pass where the glance shows something else than it did when a pass last found nothing to do. What is remembered here only saves
work: where nothing is known, a pass is asked for; and everything gets one once in a while, whatever the glance says.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass

from spin.model.names import DeploymentKey
from spin.model.observed import Route

ROUNDS_FOR_ALL = 20
"""Each round asks for a pass also for that part of all deployments whose last pass is longest ago."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One deployment from afar. Two equal ones: in between nothing has changed, as far as can be seen without a pass."""

    generation: int
    overview: str | None
    """What its engine says in short; None: the engine does not answer."""
    routes: tuple[Route, ...] | None
    """What the edge has for it; None: the edge does not answer."""


@dataclass(slots=True)
class _Known:
    glance: Glance
    taken: float
    proven: bool = False
    """A pass that began after this glance found nothing to do, and the next glance showed the same."""


class Rounds:
    """What the glances showed, and when passes last found nothing to do. Times are those of one clock that never goes back."""

    def __init__(self) -> None:
        self._known: dict[DeploymentKey, _Known] = {}
        self._quiet: dict[DeploymentKey, float] = {}
        """When the last pass began, of deployments in which it found nothing to do."""

    def passed(self, key: DeploymentKey, began: float, *, quiet: bool) -> None:
        """A pass over `key` has ended. `quiet`: it found nothing to do, or nothing that it would not come back for by itself."""
        if quiet:
            self._quiet[key] = began
        else:
            self._quiet.pop(key, None)

    def needed(self, glances: Mapping[DeploymentKey, Glance], now: float) -> list[DeploymentKey]:
        """The deployments that need a pass, after a round whose glances were complete at `now`; those not in it are forgotten."""
        self._known = {key: self._compared(key, glance, now) for key, glance in glances.items()}
        self._quiet = {key: began for key, began in self._quiet.items() if key in glances}
        stale = heapq.nsmallest(
            math.ceil(len(glances) / ROUNDS_FOR_ALL), glances, key=lambda key: (self._quiet.get(key, -math.inf), key)
        )
        chosen = {key for key, known in self._known.items() if not known.proven}.union(stale)
        return sorted(chosen)

    def _compared(self, key: DeploymentKey, glance: Glance, now: float) -> _Known:
        known = self._known.get(key)
        if known is None or known.glance != glance:
            return _Known(glance, now)
        known.proven = known.proven or self._quiet.get(key, -math.inf) >= known.taken
        return known
