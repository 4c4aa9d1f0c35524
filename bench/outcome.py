"""What `./run bench upgrade` has measured: the figures, the tables, and whether the requirements hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tally import Session, Tally, Visit, failures, percentile

STOP_GRACE_SECONDS = 3.0
"""As in the stack's Compose file."""
LEAST_REQUESTS = 100_000
MOST_RATIO = 3.0
"""p99 during the changes to p99 before."""


@dataclass
class Made:
    """A change that was made."""

    round: int
    title: str
    begin: float
    end: float


@dataclass
class Outcome:
    """What was measured on one side."""

    tally: Tally
    before: tuple[float, float]
    during: tuple[float, float]
    made: list[Made]
    stuck: str
    """The change that did not come about, after which no more were made; empty where all did."""
    busy: tuple[float, float]
    """Share of the machine's processor time that was used, before and during."""
    stored: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> list[Visit]:
        return [v for v in self.tally.visits if v.reason]

    @property
    def lost(self) -> list[str]:
        return self.tally.lost(self.stored)

    @property
    def doubled(self) -> list[str]:
        return [order for order in self.tally.orders() if self.stored[order] > 1]

    @property
    def early(self) -> list[tuple[Session, float]]:
        """WebSockets that ended too early, with the seconds that their container had been out of the routes."""
        return [(s, since) for s, since in self.tally.drains() if since < STOP_GRACE_SECONDS or s.how.endswith("echo")]

    def p(self, share: float, window: tuple[float, float]) -> float:
        """Percentile in milliseconds, of GET and POST that were due in the window."""
        return 1000 * percentile((v.latency for v in self.tally.between(*window) if v.kind.startswith(("GET", "POST"))), share)

    def p99_while(self, made: list[Made]) -> float:
        """As `p`, while these changes were made."""
        taken = (v.latency for m in made for v in self.tally.between(m.begin, m.end) if v.kind.startswith(("GET", "POST")))
        return 1000 * percentile(taken, 0.99)

    @property
    def ratio(self) -> float:
        return self.p(0.99, self.during) / self.p(0.99, self.before)


def report(sides: dict[str, Outcome], rate: float, engine: str) -> None:
    """Print it. `engine` is the version of the Docker Engine."""
    for name, outcome in sides.items():
        print(f"\n{name}: p99 while each kind of change was made, in milliseconds, and its seconds, round by round")
        for title in dict.fromkeys(m.title for m in outcome.made):
            made = [m for m in outcome.made if m.title == title]
            print(f"  {title:<26} {outcome.p99_while(made):7.1f}   {' '.join(f'{m.end - m.begin:.1f}' for m in made)}")
        print(f"\n{name}: requests by kind, in milliseconds from the moment they were due")
        print(
            f"  {'':<18} {'':>7} {'':>7}  before: {'p50':>6} {'p99':>8} {'p99.9':>8}   during: {'p50':>6} {'p99':>8} {'p99.9':>8}"
        )
        for kind in sorted({v.kind for v in outcome.tally.visits}):
            mine = [v for v in outcome.tally.visits if v.kind == kind]
            cells = []
            for begin, end in (outcome.before, outcome.during):
                taken = [1000 * v.latency for v in mine if begin <= v.due < end]
                cells.append(" ".join(f"{percentile(taken, p):{w}.1f}" for p, w in ((0.5, 6), (0.99, 8), (0.999, 8))))
            bad = failures(mine)
            print(f"  {kind:<18} {len(mine):>7} {bad.total():>7}          {cells[0]}           {cells[1]}  {dict(bad) or ''}")
        for visit in outcome.failed[:10]:
            print(
                f"  failed: {visit.kind}, {place(visit, outcome.made)}, after {visit.latency:.3f} s: {visit.reason} {visit.api} {visit.web}"
            )
        for session, since in outcome.early[:10]:
            ways = f"api {session.api}, web {session.web}"
            print(f"  WebSocket ended early: {session.how}, its container out of the routes for {since:.3f} s, {ways}")
    print(f"\nAt {rate:.0f} requests a second, open loop, on {machine(engine)}:\n")
    print("\n".join(table(sides)))


def place(visit: Visit, made: list[Made]) -> str:
    """During which change it failed."""
    change = next((m for m in reversed(made) if m.begin <= visit.done), None)
    if change is None:
        return "before the changes"
    return f"round {change.round}, {change.title} + {visit.due - change.begin:.3f} s"


def table(sides: dict[str, Outcome]) -> list[str]:
    rows: list[tuple[str, Callable[[Outcome], str]]] = [
        ("rounds of changes", lambda o: str(max((m.round for m in o.made), default=0))),
        ("requests", lambda o: f"{len(o.tally.visits):,}"),
        ("failed", lambda o: counted(failures(o.tally.visits))),
        ("failed, of those during the changes", lambda o: portion(o.tally.between(*o.during))),
        ("POSTs acknowledged and lost, stored twice", lambda o: f"{len(o.lost)}, {len(o.doubled)}"),
        ("WebSockets opened, cut before the drain time", lambda o: f"{len(o.tally.sessions):,}, {len(o.early)}"),
        ("p50 before, during", lambda o: f"{o.p(0.5, o.before):.1f}, {o.p(0.5, o.during):.1f} ms"),
        ("p99 before, during", lambda o: f"{o.p(0.99, o.before):.1f}, {o.p(0.99, o.during):.1f} ms"),
        ("p99.9 before, during", lambda o: f"{o.p(0.999, o.before):.1f}, {o.p(0.999, o.during):.1f} ms"),
        ("p99, ratio", lambda o: f"{o.ratio:.1f}"),
        ("processors in use before, during", lambda o: f"{o.busy[0]:.0%}, {o.busy[1]:.0%}"),
    ]
    head = f"| | {' | '.join(sides)} |"
    return [
        head,
        "| --- |" + " --- |" * len(sides),
        *(f"| {title} | {' | '.join(map(cell, sides.values()))} |" for title, cell in rows),
    ]


def counted(reasons: Counter[str]) -> str:
    named = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total():,} ({named})" if reasons else "0"


def portion(visits: list[Visit]) -> str:
    return f"{failures(visits).total() / max(1, len(visits)):.2%}"


def machine(engine: str) -> str:
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return f"{cores} cores ({model[1] if model else 'unknown'}) that load, edge, platform and stack share, Docker {engine}"


def broken(outcome: Outcome, *, whole: bool) -> list[str]:
    """The requirements that do not hold."""
    checks = [
        (not outcome.stuck, f"every change comes about ({outcome.stuck})"),
        (len(outcome.tally.visits) >= LEAST_REQUESTS or not whole, f"at least {LEAST_REQUESTS:,} requests"),
        (not outcome.failed, "no failed request"),
        (not outcome.lost, "no lost POST"),
        (not outcome.doubled, "no doubled POST"),
        (not outcome.early, "no WebSocket cut before its container's drain time"),
        (outcome.ratio <= MOST_RATIO, f"p99 during the changes at most {MOST_RATIO:.0f} times that before"),
    ]
    return [text for holds, text in checks if not holds]
