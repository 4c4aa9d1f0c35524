"""What a load has recorded, counted: requests by kind, failures by reason, percentiles of latency, and when WebSockets ended."""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Visit:
    """One request. Times in seconds of the monotonic clock."""

    kind: str
    due: float
    """When it was to begin, fixed ahead."""
    sent: float
    """When it did begin."""
    done: float
    api: str
    """The process of the API that answered, as `process/release`; empty where none did."""
    web: str
    order: str
    reason: str
    """Why it failed; empty where it did not."""

    @property
    def latency(self) -> float:
        return self.done - self.due

    def line(self) -> str:
        times = f"{self.due:.6f}\t{self.sent:.6f}\t{self.done:.6f}"
        return f"{self.kind}\t{times}\t{self.api}\t{self.web}\t{self.order}\t{self.reason}\n"

    @classmethod
    def read(cls, line: str) -> Self:
        kind, due, sent, done, api, web, order, reason = line.split("\t")
        return cls(kind, float(due), float(sent), float(done), api, web, order, reason)


@dataclass(frozen=True, slots=True)
class Session:
    """A WebSocket that was open. `how` it ended: a close frame's number, `cut` without one, `left` by the visitor, or a fault."""

    opened: float
    ended: float
    how: str
    api: str
    web: str

    def line(self) -> str:
        return f"session\t{self.opened:.6f}\t{self.ended:.6f}\t{self.how}\t{self.api}\t{self.web}\n"

    @classmethod
    def read(cls, line: str) -> Self:
        _, opened, ended, how, api, web = line.split("\t")
        return cls(float(opened), float(ended), how, api, web)


@dataclass
class Tally:
    """The records of one load, read as they grow."""

    file: Path
    visits: list[Visit] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    _at: int = 0
    _ordered: list[Visit] = field(default_factory=list)

    def read(self) -> None:
        """What has been written since the last time; half a line stays for the next."""
        with self.file.open() as records:
            records.seek(self._at)
            text = records.read()
        whole = text[: text.rfind("\n") + 1]
        self._at += len(whole.encode())
        for line in whole.splitlines():
            if line.startswith("session\t"):
                self.sessions.append(Session.read(line))
            else:
                self.visits.append(Visit.read(line))

    def between(self, begin: float, end: float) -> list[Visit]:
        """Visits that were due in this time."""
        if len(self._ordered) != len(self.visits):
            self._ordered = sorted(self.visits, key=lambda v: v.due)
        first, last = (bisect.bisect_left(self._ordered, moment, key=lambda v: v.due) for moment in (begin, end))
        return self._ordered[first:last]

    # ---- WebSockets ----------------------------------------------------------------------------------------------------------

    def drains(self) -> list[tuple[Session, float]]:
        """WebSockets that the other side ended, each with the seconds that its container had been out of the routes by then.

        Seen from outside: a process is out of the routes since the last moment at which a request was sent that it answered. That
        is exact to the pause between two requests that go to one process, and never too short by more. A close frame comes from the
        API; where there was none, either of the two processes in the way may have ended, and the one that is out for longer counts.
        """
        seen: dict[str, list[float]] = defaultdict(list)
        for visit in sorted(self.visits, key=lambda v: v.sent):
            if visit.kind != "WebSocket":
                for process in (visit.api, visit.web):
                    seen[process].append(visit.sent)
        found = []
        for session in self.sessions:
            if session.how != "left":
                ways = [session.api] if session.how.isdigit() else [session.api, session.web]
                found.append((session, max(_since(seen[process], session.ended) for process in ways)))
        return found

    # ---- orders --------------------------------------------------------------------------------------------------------------

    def lost(self, stored: Counter[str]) -> list[str]:
        """Orders that were acknowledged and are not stored."""
        return [v.order for v in self.visits if v.order and not v.reason and not stored[v.order]]

    def orders(self) -> set[str]:
        return {v.order for v in self.visits if v.order}


def _since(moments: Sequence[float], now: float) -> float:
    place = bisect.bisect_right(moments, now)
    return now - moments[place - 1] if place else math.inf


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` of all do not exceed; nan where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def failures(visits: Iterable[Visit]) -> Counter[str]:
    """How many failed, by reason."""
    return Counter(v.reason for v in visits if v.reason)
