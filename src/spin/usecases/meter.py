"""The last looks at what containers use. In memory: after a restart the second look tells again how fast something goes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from spin.model.names import InstanceId
from spin.model.usage import Sample
from spin.plan.usage import Reading, reading

SOON = timedelta(seconds=0.4)
"""Two looks that are nearer to each other than this say little: the kernel counts processor time in pieces of some milliseconds."""
LONG_AGO = timedelta(seconds=150)
"""An earlier look says nothing of now."""


class Meter:
    def __init__(self) -> None:
        self._rounds: dict[InstanceId, Reading] = {}
        """The newest of the rounds over all containers, which are what is remembered."""
        self._looks: dict[InstanceId, tuple[Sample, ...]] = {}
        """The two newest of the looks that somebody asked for: another one may be taken between the two of somebody else."""

    def round(self, samples: Iterable[Sample]) -> tuple[Reading, ...]:
        """A round over all containers."""
        found = {}
        for sample in samples:
            before = self._rounds.get(sample.id)
            found[sample.id] = reading(None if before is None else before.sample, sample)
        self._rounds = found
        return tuple(found.values())

    @property
    def rounds(self) -> tuple[Reading, ...]:
        """The readings of the last round."""
        return tuple(self._rounds.values())

    def look(self, samples: Iterable[Sample]) -> tuple[Reading, ...]:
        """What somebody who asks now is told."""
        found = []
        for sample in samples:
            found.append(reading(self._before(sample), sample))
            looks = self._looks.get(sample.id, ())
            if not looks or sample.time - looks[-1].time >= SOON:
                self._looks[sample.id] = (*looks[-1:], sample)
        newest = max((looks[-1].time for looks in self._looks.values()), default=None)
        if newest is not None:
            self._looks = {looks[-1].id: looks for looks in self._looks.values() if newest - looks[-1].time <= LONG_AGO}
        return tuple(found)

    def _before(self, sample: Sample) -> Sample | None:
        """The newest earlier one that says something."""
        round_ = self._rounds.get(sample.id)
        known = [*self._looks.get(sample.id, ()), *(() if round_ is None else (round_.sample,))]
        useful = [s for s in known if SOON <= sample.time - s.time <= LONG_AGO]
        return max(useful, key=_time, default=None)


def _time(sample: Sample) -> datetime:
    return sample.time
