"""All of one's stacks at a glance: the rows of `spin top`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from spin.cli import amounts
from spin.cli.times import parse_time
from spin.client.shapes import EventView, StackView, StatsView

ORDERS = ("name", "state", "cpu", "memory", "restarts")
"""What rows can be sorted by, in the order in which `s` goes through them."""
_WORST_FIRST = (
    "failed",
    "unhealthy",
    "degraded",
    "rolling-back",
    "upgrading",
    "initializing",
    "stopping",
    "removing",
    "upgraded",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One stack."""

    project: str
    environment: str
    stack: str
    state: str
    ready: int
    wanted: int
    cpu: float | None
    """Cores of all containers together; None where that cannot be told."""
    memory: int
    """Bytes of all containers together."""
    restarts: int
    since: datetime | None
    """Since when it is in this state, as far as it is known."""
    event: str
    """The last thing that happened."""

    @property
    def key(self) -> str:
        return f"{self.project}/{self.environment}/{self.stack}"


def rows(
    project: str, environment: str, views: Iterable[StackView], used: Iterable[StatsView], events: Sequence[EventView]
) -> list[Row]:
    """A row for each of `views`; `events` in their order, of the whole project."""
    stats: dict[str, list[StatsView]] = {}
    for each in used:
        stats.setdefault(each["stack"], []).append(each)
    mine = [e for e in events if e["environment"] == environment]
    return [_row(project, environment, view, stats.get(view["stack"], []), mine) for view in views]


def _row(project: str, environment: str, view: StackView, used: list[StatsView], events: list[EventView]) -> Row:
    about = [e for e in events if e["stack"] == view["stack"]]
    states = [e for e in about if e["kind"] == "state" and e["service"] is None]
    since = states[-1]["time"] if states else view["changed"]
    cpus = [each["cpu"] for each in used if each["cpu"] is not None]
    return Row(
        project,
        environment,
        view["stack"],
        view["state"],
        ready=sum(s["ready"] for s in view["services"]),
        wanted=sum(s["wanted"] for s in view["services"]),
        cpu=sum(cpus) if cpus else None,
        memory=sum(each["memory"] for each in used),
        restarts=sum(c["restarts"] for c in view["containers"] if c["current"]),
        since=parse_time(since) if since else None,
        event=about[-1]["text"].removeprefix(f"{view['stack']}: ") if about else view["detail"],
    )


def ordered(found: Iterable[Row], by: str) -> list[Row]:
    """By name, or the worst, the busiest, the largest first."""
    some = sorted(found, key=lambda r: (r.environment, r.stack, r.project))
    if by == "state":
        some.sort(key=lambda r: _WORST_FIRST.index(r.state) if r.state in _WORST_FIRST else len(_WORST_FIRST))
    elif by == "cpu":
        some.sort(key=lambda r: -(r.cpu or 0.0))
    elif by == "memory":
        some.sort(key=lambda r: -r.memory)
    elif by == "restarts":
        some.sort(key=lambda r: -r.restarts)
    return some


def matches(row: Row, text: str) -> bool:
    """Whether every word of `text` is part of its name, place or state."""
    said = f"{row.key} {row.state}".lower()
    return all(word in said for word in text.lower().split())


def ago(since: datetime | None, now: datetime) -> str:
    """A length of time in four columns: `12s`, `5m`, `3h`, `9d`."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def cells(row: Row, now: datetime, *, wide: bool) -> tuple[str, ...]:
    """What is shown of it; `wide`: with its place."""
    return (
        f"{row.environment}/{row.stack}" if wide else row.stack,
        row.state,
        f"{row.ready}/{row.wanted}",
        amounts.percent(row.cpu),
        amounts.memory(row.memory) if row.memory else "",
        str(row.restarts) if row.restarts else "",
        ago(row.since, now),
        row.event,
    )
