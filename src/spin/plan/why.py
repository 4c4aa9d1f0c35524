"""What is wrong with a stack, since when, and what changed just before: one sentence, and the time-line behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from spin.model.event import PLATFORM, Event, Kind
from spin.model.revision import Goal, Origin
from spin.model.status import DeploymentStatus, InstanceStatus, ServiceStatus, State
from spin.model.why import Entry, Explanation, Probed, Source
from spin.plan.timeline import Facts, timeline

JUST = timedelta(minutes=30)
"""What is further back than this did not come "just before"."""
LATELY = timedelta(hours=1)
"""For so long a trouble that is over is still told of."""
AFTER = timedelta(seconds=5)
"""A change and what it leads to may be seen in the same breath."""
_WELL = frozenset({State.HEALTHY, State.UPGRADED, State.COMPLETED})
_BAD = (State.FAILED, State.UNHEALTHY, State.DEGRADED)
_MOVING = frozenset({State.INITIALIZING, State.UPGRADING, State.ROLLING_BACK, State.STOPPING, State.REMOVING})


def why(facts: Facts, *, since: datetime | None = None, last: int | None = None) -> Explanation:
    """The explanation; its time-line begins at `since` and has the `last` entries only."""
    entries = timeline(facts)
    found = _explain(facts, entries)
    shown = [entry for entry in entries if since is None or entry.time >= since]
    return replace(found, timeline=tuple(shown[-last:] if last else shown if last is None else ()))


def clock(moment: datetime, now: datetime) -> str:
    """`12:04 UTC`, with the day where that is not today's."""
    form = "%H:%M UTC" if moment.astimezone(UTC).date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M UTC"
    return moment.astimezone(UTC).strftime(form)


def length(time: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(0, int(time.total_seconds()))
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _explain(facts: Facts, entries: Sequence[Entry]) -> Explanation:
    status = facts.status
    if facts.deployment is None:
        return _gone(facts, entries)
    if facts.unreachable:
        return _unseen(facts, entries)
    if facts.deployment.goal is Goal.REMOVED:
        return _removing(facts, entries)
    if status is None or status.generation != facts.deployment.generation:
        change = _newest_change(entries)
        asked = f" {_told(change, facts.now)} is being carried out." if change is not None else ""
        return _made(
            f"The controller has not looked at {facts.key.stack} since it was changed.{asked}", "initializing", None, change
        )
    service = _culprit(facts, status)
    if service is None:
        return _whole(facts, status, entries)
    if service.state in _WELL:
        return _fine(facts, service.state, service.service, entries)
    if service.state is State.STOPPED:
        return _stopped(facts, service.service, entries)
    return _trouble(facts, status, service, entries)


def _made(sentence: str, state: str, since: datetime | None, change: Entry | None, *, well: bool = False) -> Explanation:
    return Explanation(sentence, well, state, since, change, ())


def _culprit(facts: Facts, status: DeploymentStatus) -> ServiceStatus | None:
    """The service to talk about: the one that was asked about, else the one at the root of the stack's trouble."""
    if facts.service is not None:
        return next((s for s in status.services if s.service == facts.service), None)
    for state in _BAD:
        some = [s for s in status.services if s.state is state]
        # What waits for another service is not where the trouble is.
        some.sort(key=lambda s: s.detail.startswith("waiting"))
        if some and not (some[0].detail.startswith("waiting") and any(s.state in _BAD for s in status.services if s not in some)):
            return some[0]
    if status.state in _MOVING:
        moving = [s for s in status.services if s.state in _MOVING]
        moving.sort(key=lambda s: s.detail.startswith("waiting"))
        return moving[0] if moving else None
    return None


# What is well, stopped, or gone.


def _whole(facts: Facts, status: DeploymentStatus, entries: Sequence[Entry]) -> Explanation:
    name = facts.service or facts.key.stack
    if status.state in _WELL and facts.service is None:
        return _fine(facts, status.state, name, entries)
    if status.state is State.STOPPED:
        return _stopped(facts, name, entries)
    since = _since(facts, None, status.state)
    detail = f": {status.detail}" if status.detail else ""
    change = _change(entries, since, facts)
    sentence = f"{name} is {status.state.value}{_for(since, facts.now)}{detail}{_before(change, since, facts)}."
    return _made(sentence, status.state.value, since, change)


def _fine(facts: Facts, state: State, name: str, entries: Sequence[Entry]) -> Explanation:
    since = _since(facts, None if name == facts.key.stack and facts.service is None else name, state)
    said = {
        State.HEALTHY: "it is healthy",
        State.UPGRADED: f"it is upgraded, and `spin confirm {facts.key.stack}` or `spin rollback {facts.key.stack}` is awaited",
        State.COMPLETED: "it has done its work and ended with 0",
    }[state]
    parts = [f"Nothing is wrong with {name}: {said}{_for(since, facts.now)}"]
    parts += [text for text in (_failed_before(facts), _was_bad(facts, name, since), _refused(facts)) if text]
    return _made("; ".join(parts) + ".", state.value, since, _change(entries, since, facts), well=True)


def _failed_before(facts: Facts) -> str:
    """A rollback that nobody asked for is the news, though everything runs."""
    newest = facts.revisions[-1] if facts.revisions else None
    if newest is None or newest.origin is not Origin.ROLLBACK or newest.author != PLATFORM:
        return ""
    reason = _first_line(newest.note)
    return f"revision {newest.number} was rolled back to by Spin ({clock(newest.created, facts.now)})" + (
        f": {reason}" if reason else ""
    )


def _was_bad(facts: Facts, name: str, since: datetime | None) -> str:
    """What was wrong lately, and is over."""
    if since is None or facts.now - since > LATELY:
        return ""
    service = None if name == facts.key.stack and facts.service is None else name
    earlier = [e for e in _states(facts, service) if e.time < since]
    bad = [e for e in earlier if _state_of(e) in _BAD]
    if not bad or facts.now - bad[-1].time > LATELY:
        return ""
    last = bad[-1]
    state = _state_of(last)
    reason = f" ({last.cause})" if last.cause else ""
    return f"before that it was {'' if state is None else state.value} from {clock(last.time, facts.now)} on{reason}"


def _refused(facts: Facts) -> str:
    """The last thing that somebody asked for was refused: that may be what they ask about."""
    asked = [e for e in facts.events if e.kind in (Kind.ACCEPTED, Kind.REFUSED) and e.verb]
    if not asked or asked[-1].kind is not Kind.REFUSED or facts.now - asked[-1].time > LATELY:
        return ""
    last = asked[-1]
    reason = _first_line(last.cause)
    return f"the last change was refused ({last.verb} by {last.actor}, {clock(last.time, facts.now)}): {reason}"


def _stopped(facts: Facts, name: str, entries: Sequence[Entry]) -> Explanation:
    service = None if name == facts.key.stack and facts.service is None else name
    since = _since(facts, service, State.STOPPED)
    asked = _asked(facts, "stop", name)
    who = "" if asked is None else f": {asked.actor} asked for it ({asked.text}, {clock(asked.time, facts.now)})"
    target = facts.key.stack if service is None else f"{facts.key.stack}/{service}"
    sentence = f"{name} is stopped{_for(since, facts.now)}{who}. `spin start {target}` starts it."
    return _made(sentence, State.STOPPED.value, since, _entry_of(asked, entries))


def _removing(facts: Facts, entries: Sequence[Entry]) -> Explanation:
    asked = _asked(facts, "rm", facts.key.stack)
    detail = "" if facts.status is None or not facts.status.detail else f"; {facts.status.detail}"
    who = "" if asked is None else f": {asked.actor} asked for it ({clock(asked.time, facts.now)})"
    since = None if asked is None else asked.time
    return _made(f"{facts.key.stack} is being removed{who}{detail}.", State.REMOVING.value, since, _entry_of(asked, entries))


def _gone(facts: Facts, entries: Sequence[Entry]) -> Explanation:
    name = facts.key.stack
    asked = _asked(facts, "rm", name)
    if asked is not None:
        done = next((e.time for e in reversed(facts.events) if e.kind is Kind.STATE and e.text.endswith("removed")), asked.time)
        last = [e for e in facts.events if e.kind is Kind.STATE and e.service is None and e.time <= asked.time]
        state = _state_of(last[-1]) if last else None
        before = f"; it was {state.value} before" if state is not None else ""
        who = f"{asked.actor} asked for its removal ({clock(asked.time, facts.now)})"
        sentence = f"{name} is gone since {clock(done, facts.now)}: {who}{before}."
        return _made(sentence, "gone", done, _entry_of(asked, entries))
    refused = [e for e in facts.events if e.kind is Kind.REFUSED]
    if refused:
        no = refused[-1]
        what = f"{no.verb} by {no.actor} was refused at {clock(no.time, facts.now)}: {_first_line(no.cause)}"
        return _made(f"There is no stack {name}: {what}.", "gone", no.time, _entry_of(no, entries))
    return _made(f"{name} is gone; nothing tells how.", "gone", None, _newest_change(entries))


def _unseen(facts: Facts, entries: Sequence[Entry]) -> Explanation:
    status = facts.status
    known = "nothing was seen of it yet"
    if status is not None:
        known = f"when it was last seen otherwise ({clock(status.observed, facts.now)}) it was {status.state.value}"
    reason = facts.unreachable.rstrip(".")
    sentence = f"How {facts.key.stack} is cannot be told: {reason}; {known}, and its containers may well run on."
    state = "unknown" if status is None else status.state.value
    return _made(sentence, state, None, _newest_change(entries))


# What is wrong.


def _trouble(facts: Facts, status: DeploymentStatus, service: ServiceStatus, entries: Sequence[Entry]) -> Explanation:
    since = _since(facts, service.service, service.state)
    change = _change(entries, since, facts)
    failure = None if status.progress is None else status.progress.failure
    if failure is not None and service.service in (failure.service, *failure.held):
        revision = 0 if facts.deployment is None else facts.deployment.revision
        since = failure.when
        kept = "; the containers from before serve" if service.service == failure.service and service.ready else ""
        what = (
            f"The upgrade to revision {revision} has failed at {failure.service}{_for(since, facts.now)}: {failure.reason}{kept}"
        )
        change = _change(entries, since, facts)
    else:
        said = {State.FAILED: "has failed"}.get(service.state, f"is {service.state.value}")
        reason = _reason(facts, status, service)
        what = f"{service.service} {said}{_for(since, facts.now)}" + (f": {reason}" if reason else "")
    also = sum(s.state in _BAD and s.service != service.service for s in status.services)
    more = f" ({also} other service{'s are' if also > 1 else ' is'} not well either)" if also and facts.service is None else ""
    sentence = f"{what.rstrip('.')}{more}{_before(change, since, facts)}."
    return _made(sentence, service.state.value, since, change)


def _reason(facts: Facts, status: DeploymentStatus, service: ServiceStatus) -> str:
    """The reason, with what the containers themselves say of it."""
    instance = _sick(status, service)
    if instance is None:
        return service.detail
    if instance.phase == "unhealthy":
        said = _probe(facts, instance)
        if said:
            return said
    line = _last_line(facts, instance)
    if (instance.phase in ("exited", "unhealthy") or instance.restarts) and line:
        return f"{service.detail}; its last line: {line!r}"
    return service.detail


def _sick(status: DeploymentStatus, service: ServiceStatus) -> InstanceStatus | None:
    """The container that shows best what is wrong."""
    mine = [i for i in status.instances if i.service == service.service and i.current]
    for phase in ("unhealthy", "exited"):
        for each in mine:
            if each.phase == phase:
                return each
    return max(mine, key=lambda i: i.restarts, default=None)


def _probe(facts: Facts, instance: InstanceStatus) -> str:
    found: Probed | None = next((p for p in facts.probed if p.id == instance.id), None)
    if found is None or not found.test:
        return ""
    failing = [a for a in found.answers if a.exit_code != 0]
    if not failing:
        return ""
    output = failing[-1].output.strip().rpartition("\n")[2] or f"exit {failing[-1].exit_code}"
    return f"health check `{found.test}` answers {output[:200]!r}"


def _last_line(facts: Facts, instance: InstanceStatus) -> str:
    mine = [line.text for line in facts.lines if line.instance == instance.name and line.text.strip()]
    return mine[-1].strip()[:200] if mine else ""


# Since when, and what came before.


def _states(facts: Facts, service: str | None) -> list[Event]:
    """Its changes of state since it was last made, in their order."""
    mine = [e for e in facts.events if e.kind is Kind.STATE and e.service == service]
    begun = facts.deployment.created if facts.deployment is not None else None
    return [e for e in mine if begun is None or e.time >= begun - AFTER]


def _state_of(event: Event) -> State | None:
    word = event.text.rpartition("-> ")[2].rpartition(": ")[2]
    return next((s for s in State if s.value == word), None)


def _since(facts: Facts, service: str | None, state: State) -> datetime | None:
    """Since when it is in `state`; for what is wrong, since when it is not well: it may go to and fro between bad and worse."""
    run: list[Event] = []
    for event in reversed(_states(facts, service)):
        found = _state_of(event)
        if found is not state and (state not in _BAD or found in _WELL or found is State.STOPPED):
            break
        run.append(event)
    if not run:
        return None
    run.reverse()
    return next((e.time for e in run if _state_of(e) in (_BAD if state in _BAD else (state,))), run[0].time)


def _changes(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        refused = entry.text.endswith("was refused")
        if entry.source is Source.REVISION or (entry.source is Source.CHANGE and not refused):
            yield entry


def _newest_change(entries: Sequence[Entry]) -> Entry | None:
    return max(_changes(entries), key=lambda e: e.time, default=None)


def _change(entries: Sequence[Entry], since: datetime | None, facts: Facts) -> Entry | None:
    """The last thing that anybody changed before it became as it is."""
    until = (since or facts.now) + AFTER
    return max((e for e in _changes(entries) if e.time <= until), key=lambda e: e.time, default=None)


def _before(change: Entry | None, since: datetime | None, facts: Facts) -> str:
    if change is None:
        return ""
    distance = (since or facts.now) - change.time
    if distance <= JUST:
        return f"; {_told(change, facts.now)} came just before"
    return f"; nothing was changed just before, the last was {_told(change, facts.now)}, {length(distance)} earlier"


def _told(entry: Entry, now: datetime) -> str:
    who = f"{entry.actor}, " if entry.actor else ""
    if entry.source is Source.REVISION:
        return f"revision {entry.revision} ({who}{clock(entry.time, now)}: {entry.text})"
    return f"`{entry.text}` ({who}{clock(entry.time, now)})"


def _for(since: datetime | None, now: datetime) -> str:
    return "" if since is None else f" since {clock(since, now)} ({length(now - since)})"


def _asked(facts: Facts, verb: str, name: str) -> Event | None:
    """Who asked last for that, of the stack or of this service."""
    asked = [e for e in facts.events if e.kind is Kind.ACCEPTED and e.verb == verb]
    about = [e for e in asked if verb != "stop" or name == facts.key.stack or "whole" in e.text or name in _words(e.text)]
    return about[-1] if about else None


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


def _entry_of(event: Event | None, entries: Sequence[Entry]) -> Entry | None:
    if event is None:
        return None
    return next((e for e in entries if e.time == event.time and e.text == event.text), None)
