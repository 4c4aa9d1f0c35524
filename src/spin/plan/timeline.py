"""A stack's time-line: revisions, events, answers of health checks, failures that visitors met, and log lines, merged by time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from spin.model.event import Event, Kind
from spin.model.log import LogLine
from spin.model.names import DeploymentKey
from spin.model.revision import Deployment, Revision
from spin.model.status import DeploymentStatus
from spin.model.usage import STEP, Usage
from spin.model.why import Entry, Probed, Source
from spin.plan.changes import Action, Changes, PartChange, ServiceChange, compare

LONGEST = 300
"""Characters of a text on the time-line."""
_MAKES_REVISIONS = frozenset({"up", "scale", "promote", "rollback"})
_SOURCES = {
    Kind.ACCEPTED: Source.CHANGE,
    Kind.REFUSED: Source.CHANGE,
    Kind.DECIDED: Source.CHANGE,
    Kind.STATE: Source.STATE,
    Kind.CONTAINER: Source.CONTAINER,
    Kind.STEP: Source.STEP,
    Kind.FAILED: Source.FAILURE,
}
_SAME = timedelta(minutes=1)
"""A revision and the event that tells of it are no further apart than this."""
_MOST_KEYS = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a stack, or of one service of it."""

    key: DeploymentKey
    now: datetime
    service: str | None = None
    deployment: Deployment | None = None
    """None: it is gone."""
    status: DeploymentStatus | None = None
    revisions: tuple[Revision, ...] = ()
    """The newest, in the order of their numbers."""
    events: tuple[Event, ...] = ()
    """The newest, in their order."""
    probed: tuple[Probed, ...] = ()
    lines: tuple[LogLine, ...] = ()
    usage: tuple[Usage, ...] = ()
    unreachable: str = ""
    """Why the engine says nothing now; empty where it answers."""


def timeline(facts: Facts) -> tuple[Entry, ...]:
    """All of it, the oldest first. With a service: what is about it, or about the stack as a whole."""
    found = [
        *_revisions(facts.revisions),
        *_events(facts),
        *_probes(facts.probed),
        *_visitors(facts.usage),
        *(Entry(line.time, Source.LOG, line.text[:LONGEST], service=None, container=line.instance) for line in facts.lines),
    ]
    if facts.unreachable:
        found.append(Entry(facts.now, Source.ENGINE, facts.unreachable))
    return tuple(sorted(found, key=lambda entry: entry.time))


def _revisions(revisions: tuple[Revision, ...]) -> Iterator[Entry]:
    before: Revision | None = None
    for each in revisions:
        if before is None and each.number > 1:
            text = "see `spin diff`"  # the one before it is not at hand
        else:
            text = words(
                compare(
                    None if before is None else before.spec,
                    each.spec,
                    old_secrets=() if before is None else before.secret_versions,
                    new_secrets=each.secret_versions,
                )
            )
        cause = each.note.partition("\n")[0]
        yield Entry(each.created, Source.REVISION, text, cause=cause, actor=each.author, revision=each.number)
        before = each


def words(changes: Changes) -> str:
    """What changed, in short: `web: image web:1.2 -> web:1.3; +db`."""
    found: list[str] = []
    parts: tuple[ServiceChange | PartChange, ...] = (*changes.services, *changes.networks, *changes.volumes)
    for part in parts:
        match part.action:
            case Action.UNCHANGED:
                continue
            case Action.ADD:
                found.append(f"+{part.name}")
            case Action.REMOVE:
                found.append(f"-{part.name}")
            case Action.CHANGE:
                keys = [f"{k.key} {_value(k.old)} -> {_value(k.new)}" for k in part.keys[:_MOST_KEYS]]
                more = [f"{len(part.keys) - _MOST_KEYS} more"] if len(part.keys) > _MOST_KEYS else []
                found.append(f"{part.name}: {', '.join([*keys, *more])}")
    return "; ".join(found)[:LONGEST] or "nothing"


def _value(text: str | None) -> str:
    if text is None:
        return "nothing"
    short = text.removeprefix("docker.io/library/")
    return short if len(short) <= 80 else short[:79] + "…"


def _is_anothers(event: Event, facts: Facts) -> bool:
    """A state of the whole stack whose cause is another service than the one that is asked about."""
    others = () if facts.status is None else (s.service for s in facts.status.services if s.service != facts.service)
    cause, colon, _ = event.cause.partition(": ")
    return event.kind is Kind.STATE and event.service is None and bool(colon) and cause in others


def _events(facts: Facts) -> Iterator[Entry]:
    known = {r.number: r.created for r in facts.revisions}
    for event in facts.events:
        if facts.service is not None and (event.service not in (None, facts.service) or _is_anothers(event, facts)):
            continue
        source, revision = _SOURCES[event.kind], None
        if event.kind in (Kind.ACCEPTED, Kind.DECIDED) and event.verb in _MAKES_REVISIONS and event.revision is not None:
            source, revision = Source.REVISION, event.revision
            if event.revision in known and abs(known[event.revision] - event.time) < _SAME:
                continue  # the revision itself says more
        asked = event.kind in (Kind.ACCEPTED, Kind.REFUSED, Kind.DECIDED)
        text = event.text.removeprefix(f"revision {revision}: ") if revision is not None else event.text
        yield Entry(
            event.time,
            source,
            text,
            service=event.service,
            container=event.container,
            cause=event.cause,
            actor=event.actor if asked else "",
            revision=revision,
        )


def _probes(probed: Iterable[Probed]) -> Iterator[Entry]:
    for each in probed:
        for answer in each.answers:
            text = "the health check is well" if answer.exit_code == 0 else f"the health check fails (exit {answer.exit_code})"
            cause = "" if answer.exit_code == 0 else answer.output[:LONGEST]
            yield Entry(answer.time, Source.PROBE, text, service=each.service, container=each.container, cause=cause)


def _visitors(usage: Iterable[Usage]) -> Iterator[Entry]:
    for each in usage:
        if each.failed:
            minutes = STEP // timedelta(minutes=1)
            text = f"{each.service}: visitors got {each.failed} answer{'' if each.failed == 1 else 's'} with 5xx in {minutes} minutes"
            yield Entry(each.start, Source.EDGE, text, service=each.service)
