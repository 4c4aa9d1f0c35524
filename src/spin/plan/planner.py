"""The planner: what to do next about one deployment.

A plan holds only steps that are safe now, in any order and any subset. What must come later is planned later, from a new
observation; so a crash is nothing but "a subset was done", and there is no code that resumes. The rules, each held by a test in
tests/property/plan:

- Every wanted container is created as soon as its image, networks, volumes and files are there; only its start waits, for its
  dependencies and for room in the budget.
- Taking down is unroute, observe, drain, observe, stop, observe, and then remove, or keep until the upgrade is confirmed. What
  serves is taken down only within the budget; what does not serve goes when its successor serves, or when its place is needed.
- With stop-first the old container goes when its successor is created and could start, and the successor starts when the old one
  has been seen to have ended.
- UNKNOWN may run, so it takes up room; and it may be gone, so it does not serve. Nothing is done to it.
- The containers carry the attempt counts; the last attempt of a slot is kept as long as it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import UpdateOrder
from spin.model.steps import Create, Remove, RouteTo, Start, Step, Stop, Unroute
from spin.plan import jobs
from spin.plan.desired import Desired, DesiredService
from spin.plan.rollout import least_serving, room_to_create, room_to_start, room_to_unroute
from spin.plan.services import (
    Survey,
    View,
    asked_for,
    ended,
    ended_well,
    how_it_ended,
    is_replaceable,
    is_settled,
    replacement_pause,
    restart_pause,
    serves,
    settling_pause,
    survey,
    waits_for,
)
from spin.plan.supplies import clear_away, is_supplied, lacks_files, supply

STRAY_GRACE_MS = 10_000
"""Grace of containers whose service is no longer known: the default of Docker and Compose."""
LEAST_DRAIN = timedelta(milliseconds=1500)
"""For what was on its way to a container when it left the routes: a request that was its own, a connection's first packet. And for
the kernel to forget the connections that have ended (`spin.addresses.render`: one second)."""
BLIND_DRAIN = timedelta(seconds=5)
"""The pause where open connections cannot be counted."""
STARTING_ALONE = timedelta(seconds=10)
"""For so long at most does a container that comes up keep others of its service from starting beside it."""
DRAIN_POLL = timedelta(milliseconds=250)
"""How often the open connections of a draining container are counted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`steps` may be done in any order. `wake_after`: when to look again though nothing happens, as a back-off ends then."""

    steps: tuple[Step, ...]
    wake_after: timedelta | None = None


def plan(desired: Desired, observed: Snapshot, now: datetime) -> Plan:
    """The steps that are safe and useful now; none when everything is as it should be, or has to wait."""
    found = survey(desired, observed)
    needed = _still_needed(desired, observed)
    works = [_Work(view, found, observed, now, needed=view.name in needed) for view in found.views]
    running = [w.view.service for w in works if w.view.service.replicas and not w.view.service.stopped]
    runs, needy = jobs.steps(desired, observed)
    steps: list[Step] = supply([*(w.view.service for w in works if w.needs_supplies), *needy], [*running, *needy], observed)
    steps += [step for work in works for step in work.steps()]
    steps += runs
    cause = "the stack is removed" if desired.removed else "the service is no longer part of the stack"
    drains = () if desired.removed else found.strays
    for i in found.strays:
        if not (desired.removed and i.service in needed and i.alive and not i.routed):
            steps += take_down(i, STRAY_GRACE_MS, cause, now, drain=i in drains)
    steps += clear_away(desired, found, observed)
    pauses = [pause for w in works for pause in w.pauses]
    pauses += jobs.wakes(desired, now)
    pauses += [poll for i in drains if (poll := drain_poll(i, STRAY_GRACE_MS, now))]
    return Plan(tuple(steps), min(pauses, default=None))


def _still_needed(desired: Desired, observed: Snapshot) -> frozenset[str]:
    """The services on which others depend that are to end too, and still run: they are stopped after those."""
    ending = {s.name for s in (*desired.services, *desired.jobs) if s.stopped}
    running = {i.service for i in observed.instances if i.alive and i.phase is not Phase.UNKNOWN}
    return frozenset(on for name, on in desired.depends if name in running and (desired.removed or name in ending))


def take_down(
    instance: Instance, grace_ms: int, cause: str, now: datetime, *, drain: bool = True, keep: bool = False
) -> Iterable[Step]:
    """The next step towards the end of `instance`: out of the routes, then (when what is in flight has ended) out of the processes,
    then gone; `keep` leaves it there, stopped."""
    if instance.phase is Phase.UNKNOWN:
        return
    if instance.routed:
        yield Unroute(instance.id, instance.name, instance.service, cause)
    elif instance.phase in (Phase.CREATED, Phase.EXITED):
        if not keep:
            yield Remove(instance.id, instance.name, cause)
    elif not drain or draining_left(instance, grace_ms, now) <= timedelta(0):
        yield Stop(instance.id, instance.name, grace_ms, cause)


def draining_left(instance: Instance, grace_ms: int, now: datetime) -> timedelta:
    """How much longer requests in flight may take: until no connection is open, at most the grace period.

    Where the engine cannot tell about connections, a fixed pause takes the place of looking.
    """
    if instance.draining_since is None:
        return timedelta(0)
    bound = timedelta(milliseconds=grace_ms)
    if instance.connections is None:
        bound = min(bound, BLIND_DRAIN)
    elif instance.connections == 0:
        bound = min(bound, LEAST_DRAIN)
    return max(timedelta(0), instance.draining_since + bound - now)


def drain_poll(instance: Instance, grace_ms: int, now: datetime) -> timedelta | None:
    """When to look again whether `instance` has drained; None when it has, or is not on its way out."""
    if instance.routed or not instance.alive or instance.phase is Phase.UNKNOWN:
        return None
    left = draining_left(instance, grace_ms, now)
    return min(left, DRAIN_POLL) if left > timedelta(0) else None


class _Work:
    """One pass over one service. Reads its inputs, changes none of them."""

    def __init__(self, view: View, found: Survey, observed: Snapshot, now: datetime, *, needed: bool) -> None:
        self.view = view
        self.observed = observed
        self.now = now
        self.needed = needed
        """Others depend on it that are being stopped too, and still run."""
        self.service: DesiredService = view.service
        self.budget = view.service.budget
        self.waiting = waits_for(view, found)
        self.unhealthy = [i for i in view.keepers if i.phase is Phase.UNHEALTHY and is_replaceable(self.service)]
        self.group_pause = self._pause_between_groups()
        self.startable = [] if self.service.stopped else [i for i in view.keepers if self._may_start(i)]

    @property
    def pauses(self) -> list[timedelta]:
        """How long each back-off still lasts."""
        if self.service.stopped:
            return []
        pauses = [replacement_pause(i, self.now) for i in (*self.unhealthy, *self._altered())]
        pauses += [restart_pause(self.service, i, self.now) for i in self.view.keepers if self._is_down(i)]
        pauses += [poll for i in self.view.to_do if (poll := drain_poll(i, self.service.spec.stop_grace_ms, self.now))]
        if self.view.serving and self.startable:
            pauses += [i.since + STARTING_ALONE - self.now for i in self._coming_up()]
        if self._has_outdated():
            pauses += [settling_pause(self.service, i, self.now) for i in self.view.keepers if i.phase is Phase.READY]
            pauses.append(self.group_pause)
        return [p for p in pauses if p > timedelta(0)]

    @property
    def needs_supplies(self) -> bool:
        """Files are delivered again also where containers run: they mount them, and could not be started once more without."""
        if self.service.stopped or not self.service.replicas:
            return False
        return bool(self.view.missing or self._successors()) or lacks_files(self.service, self.observed)

    def steps(self) -> Iterable[Step]:
        if self.service.stopped:
            yield from self._stopped()
            return
        yield from self._create()
        yield from self._start()
        yield from self._route()
        yield from self._retire()

    # A service that a person has stopped.

    def _stopped(self) -> Iterable[Step]:
        for i in self.view.keepers:
            if i.routed or (i.alive and not self.needed):
                yield from self._take_down(i, "stopped on request", drain=False)
        for i in self.view.leftovers:
            if self.needed and i.alive and not i.routed:
                continue
            yield from self._take_down(i, "stopped on request" if i.alive else "not needed any more", drain=False)

    # Towards what is wanted.

    def _create(self) -> Iterable[Step]:
        if not is_supplied(self.service, self.observed):
            return
        occupied = {i.slot for i in self.view.instances if i.alive}
        live = sum(self._takes_room(i) for i in self.view.instances)
        room = room_to_create(self.budget, live=live)
        pausing = {i.slot for i in self._altered() if replacement_pause(i, self.now) > timedelta(0)}
        for slot in self.view.missing:
            if slot in pausing or (slot in occupied and room <= 0):
                continue
            room -= 1
            yield self._new(slot, self._why_missing(slot))
        for i in self._successors():
            yield self._new(i.slot, f"attempt {i.attempt} is unhealthy{': ' + i.detail if i.detail else ''}")

    def _takes_room(self, i: Instance) -> bool:
        """What gives way when its place is needed takes none, or a failed upgrade would stand in the way of the next one."""
        return (i.alive or i.phase is Phase.CREATED) and not (i in self.view.leftovers and self._is_idle(i))

    def _new(self, slot: int, cause: str) -> Create:
        return Create(self.service.spec, self.service.digest, slot, self.view.next_attempt(slot), cause, self.service.peers)

    def _why_missing(self, slot: int) -> str:
        altered = next((i.altered for i in self._altered() if i.slot == slot), "")
        if altered:
            return f"the one there was altered by hand: {altered}"
        return "made anew from the changed template" if any(i.slot == slot for i in self.view.instances) else "wanted"

    def _altered(self) -> list[Instance]:
        """Containers of the wanted template that somebody has changed, in slots that wait for another."""
        return [i for i in self.view.leftovers if i.altered and self.view.is_current(i) and i.slot in self.view.missing]

    # The pace of an upgrade (Compose: `deploy.update_config`).

    def _has_outdated(self) -> bool:
        """Containers of another template still run: an exchange is under way."""
        return any(i.alive and not self.view.is_current(i) for i in self.view.leftovers)

    def _pause_between_groups(self) -> timedelta:
        """How long nothing more is started: until the group before has been watched for long enough, and `delay` is over."""
        if not self._has_outdated():
            return timedelta(0)
        delay = timedelta(milliseconds=self.service.spec.update.delay_ms)
        ready = [i.ready_since or self.now for i in self.view.keepers if i.phase is Phase.READY]
        watched = timedelta(milliseconds=self.service.spec.update.monitor_ms)
        return max(timedelta(0), max(ready) + watched + delay - self.now) if ready else timedelta(0)

    def _successors(self) -> list[Instance]:
        """The unhealthy containers that are to be replaced now."""
        return [i for i in self.unhealthy if replacement_pause(i, self.now) <= timedelta(0)]

    def _is_down(self, instance: Instance) -> bool:
        return instance.phase is Phase.EXITED and not ended(self.service, instance)

    def _may_start(self, instance: Instance) -> bool:
        """It is to run, and neither dependencies nor a back-off stand against it; whether there is room is another question."""
        if instance.phase is Phase.CREATED:
            return not self.waiting and self.group_pause <= timedelta(0)
        return self._is_down(instance) and restart_pause(self.service, instance, self.now) <= timedelta(0)

    def _start(self) -> Iterable[Step]:
        room = min(room_to_start(self.budget, running=self.view.running), self._room_beside_what_serves())
        for i in self.startable:
            if room > 0 and not self._is_occupied(i.slot):
                room -= 1
                yield Start(i.id, i.name, self._why_start(i))

    def _room_beside_what_serves(self) -> int:
        """Starting is the dearest thing that a container does. Where others serve, it is done a few at a time: as many as the update
        exchanges at once, or half of those that serve. One that takes long stands in nobody's way."""
        if not self.view.serving:
            return self.service.replicas + self.budget.surge
        at_once = max(self.budget.surge, self.budget.unavailable, self.view.serving // 2)
        return at_once - len(self._coming_up())

    def _coming_up(self) -> list[Instance]:
        return [i for i in self.view.instances if i.phase is Phase.STARTING and i.since + STARTING_ALONE > self.now]

    def _why_start(self, instance: Instance) -> str:
        if instance.phase is Phase.CREATED:
            return "created"
        return "asked for" if asked_for(self.service, instance) else how_it_ended(instance)

    def _is_occupied(self, slot: int) -> bool:
        """Stop-first: something runs in the slot that has to end first."""
        return self.service.order is UpdateOrder.STOP_FIRST and any(i.alive and i.slot == slot for i in self.view.instances)

    def _route(self) -> Iterable[Step]:
        for i in self.view.keepers:
            if i.phase is Phase.READY and not serves(self.service, i) and i.address is not None:
                yield RouteTo(i.id, i.name, i.service, "ready")
            if i.routed and not self._is_routable(i):
                yield Unroute(i.id, i.name, i.service, f"it is {i.phase.value}")

    def _is_routable(self, instance: Instance) -> bool:
        called = self.service.spec.http is not None or self.service.number is not None
        return instance.phase is Phase.UNKNOWN or (instance.phase is Phase.READY and called)

    # Away from what is not wanted any more.

    def _retire(self) -> Iterable[Step]:
        for i in self.view.to_do:
            if not i.alive or (i.phase is not Phase.READY and (i.routed or self._is_surplus(i))):
                yield from self._take_down(i, self._why_not(i))
        yield from self._make_way()
        yield from self._retire_ready()

    def _make_way(self) -> Iterable[Step]:
        """Containers that run without serving go when their successor serves, or when their place is needed."""
        idle = [i for i in self.view.leftovers if self._is_idle(i)]
        for i in (i for i in idle if self._is_done_for(i)):
            yield from self._take_down(i, self._why_not(i))
        needed = len(self.startable) - room_to_start(self.budget, running=self.view.running)
        places = sorted((i for i in idle if not self._is_done_for(i)), key=self._hopeless_first)
        for i in places[: max(0, needed)]:
            yield from self._take_down(i, f"{self._why_not(i)}; its place is needed")

    def _is_idle(self, i: Instance) -> bool:
        """A leftover that runs, but does not serve, in a slot that is wanted."""
        return i.phase in (Phase.STARTING, Phase.UNHEALTHY) and not i.routed and not self._is_surplus(i)

    def _is_done_for(self, i: Instance) -> bool:
        keeper = self.view.keeper(i.slot)
        if keeper is None:
            return False
        if self.service.order is UpdateOrder.STOP_FIRST:
            return self._may_take_over(i)
        return serves(self.service, keeper) or ended_well(self.service, keeper)

    def _hopeless_first(self, i: Instance) -> tuple[bool, bool, float, int]:
        """Earlier attempts of the wanted template, then what is unhealthy, then what was tried last."""
        return not self.view.is_current(i), i.phase is not Phase.UNHEALTHY, -i.since.timestamp(), -i.slot

    def _may_take_over(self, i: Instance) -> bool:
        """Stop-first: the successor of `i` is there and could start, or runs already."""
        keeper = self.view.keeper(i.slot)
        if keeper is None or keeper.phase is Phase.UNKNOWN:
            return False
        return keeper in self.startable or keeper.alive or ended(self.service, keeper)

    def _retire_ready(self) -> Iterable[Step]:
        """Containers that could serve go only as far as the budget allows."""
        short = self.view.serving < least_serving(self.budget)
        watched = sum(serves(self.service, i) and not is_settled(self.service, i, self.now) for i in self.view.keepers)
        spare = room_to_unroute(self.budget, serving=self.view.serving - (watched if self._has_outdated() else 0))
        for i in sorted((i for i in self.view.leftovers if i.phase is Phase.READY), key=self._superseded_first):
            replaced = self._is_surplus(i) or self.service.order is UpdateOrder.START_FIRST or self._may_take_over(i)
            if serves(self.service, i):
                if replaced and spare > 0:
                    spare -= 1
                    yield from self._take_down(i, self._why_not(i))
            elif replaced and not short:
                yield from self._take_down(i, self._why_not(i))
            elif i.address is not None:
                yield RouteTo(i.id, i.name, i.service, "ready, and still needed")

    def _superseded_first(self, i: Instance) -> tuple[bool, int]:
        keeper = self.view.keeper(i.slot)
        has_successor = keeper is not None and (serves(self.service, keeper) or ended_well(self.service, keeper))
        return not (has_successor or self._is_surplus(i)), -i.slot

    def _is_surplus(self, i: Instance) -> bool:
        return i.slot > self.service.replicas

    def _why_not(self, i: Instance) -> str:
        if self._is_surplus(i):
            return "scaled down"
        if i.altered:
            return f"altered by hand: {i.altered}"
        if self.service.retired:
            return "the service is no longer part of the stack"
        return "replaced by a newer attempt" if self.view.is_current(i) else "replaced by the changed template"

    def _take_down(self, i: Instance, cause: str, *, drain: bool = True) -> Iterable[Step]:
        grace = self.service.spec.stop_grace_ms
        return take_down(i, grace, cause, self.now, drain=drain, keep=i in self.view.kept)
