"""What a snapshot means for the services that are wanted: the reading that planner and status share.

Every slot (1 to `replicas`) has at most one *keeper*: the container that is to stay in it. All other containers of the service are
*leftovers*: made from another template, in a slot that is no longer wanted, or followed by a newer attempt. What belongs to no
wanted service is a *stray*. Of the leftovers, those that an unconfirmed upgrade may be rolled back to are *kept*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spin.kit.backoff import backoff
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Condition, Dependency, Restart
from spin.plan.desired import Desired, DesiredService
from spin.plan.rollout import enough_for_dependents


@dataclass(frozen=True, slots=True)
class View:
    """One wanted service and its containers."""

    service: DesiredService
    instances: tuple[Instance, ...]
    keepers: tuple[Instance, ...]
    """By slot; a slot without one is in `missing`."""
    missing: tuple[int, ...]
    leftovers: tuple[Instance, ...]
    kept: tuple[Instance, ...] = ()
    """Those of `leftovers` that stay when they have been stopped."""

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def running(self) -> int:
        return sum(i.alive for i in self.instances)

    @property
    def serving(self) -> int:
        """Those that serve, of any template. A run-once container that has done its work counts: it need not serve longer."""
        return sum(serves(self.service, i) for i in self.instances) + sum(ended_well(self.service, i) for i in self.keepers)

    def keeper(self, slot: int) -> Instance | None:
        return next((i for i in self.keepers if i.slot == slot), None)

    @property
    def to_do(self) -> list[Instance]:
        """The leftovers that something has still to be done to."""
        return [i for i in self.leftovers if not (i.phase is Phase.EXITED and i in self.kept)]

    def is_current(self, instance: Instance) -> bool:
        return instance.digest == self.service.digest

    def next_attempt(self, slot: int) -> int:
        """The number of the next container for `slot`. The containers themselves carry the count: nothing else remembers it."""
        return 1 + max((i.attempt for i in self.instances if i.slot == slot and self.is_current(i)), default=0)


@dataclass(frozen=True, slots=True)
class Survey:
    """All wanted services with their containers, and the containers of none."""

    views: tuple[View, ...]
    strays: tuple[Instance, ...]

    def view(self, name: str) -> View | None:
        return next((v for v in self.views if v.name == name), None)


def survey(desired: Desired, observed: Snapshot) -> Survey:
    """`observed`, without the containers of runs, sorted into what is wanted. The order of the snapshot does not matter."""
    lasting = (i for i in observed.instances if desired.run_of(i) is None)
    everything = sorted(lasting, key=lambda i: (i.service, i.slot, i.attempt, i.digest, i.id))
    wanted = {s.name for s in desired.services}
    views = tuple(_view(s, tuple(i for i in everything if i.service == s.name)) for s in desired.services)
    return Survey(views, tuple(i for i in everything if i.service not in wanted))


def _view(service: DesiredService, instances: tuple[Instance, ...]) -> View:
    keepers = _by_slot(service, instances, service.digest, service.replicas)
    chosen = {i.id for i in keepers.values()}
    kept: dict[int, Instance] = {}
    if service.kept is not None:
        have_run = [i for i in instances if i.phase is not Phase.CREATED]
        kept = _by_slot(service, have_run, service.kept.digest, service.kept.replicas)
    return View(
        service,
        instances,
        tuple(keepers.values()),
        tuple(slot for slot in range(1, service.replicas + 1) if slot not in keepers),
        tuple(i for i in instances if i.id not in chosen),
        tuple(kept.values()),
    )


def _by_slot(service: DesiredService, instances: Iterable[Instance], digest: str, replicas: int) -> dict[int, Instance]:
    """The container to stay in each slot, of those that were made from that template.

    One that somebody has altered is not, unless it has done its work.
    """
    found: dict[int, list[Instance]] = {}
    for i in instances:
        if i.digest == digest and i.slot <= replicas and (not i.altered or ended_well(service, i)):
            found.setdefault(i.slot, []).append(i)
    return {slot: _keeper(service, found[slot]) for slot in sorted(found)}


def _keeper(service: DesiredService, attempts: list[Instance]) -> Instance:
    """The newest attempt for a slot; but one that failed, or was not started yet, yields to an earlier one that has recovered."""
    newest = max(attempts, key=lambda i: (not _is_failed(service, i), i.attempt))
    if newest.phase is Phase.CREATED:
        return max((i for i in attempts if i.phase is Phase.READY), key=lambda i: i.attempt, default=newest)
    return newest


def _is_failed(service: DesiredService, instance: Instance) -> bool:
    return instance.phase is Phase.UNHEALTHY or (instance.phase is Phase.EXITED and not ended(service, instance))


# What one container is to its service.


def serves(service: DesiredService, instance: Instance) -> bool:
    """It does the service's work: ready, and reached wherever the service is called: through the edge, at its stable address."""
    if instance.phase is not Phase.READY:
        return False
    return instance.reached or (service.spec.http is None and service.number is None)


def is_settled(service: DesiredService, instance: Instance, now: datetime) -> bool:
    """It serves, and has been ready for as long as `update_config.monitor` asks."""
    return serves(service, instance) and settling_pause(service, instance, now) <= timedelta(0)


def settling_pause(service: DesiredService, instance: Instance, now: datetime) -> timedelta:
    """How much longer a container that is READY is watched before it counts."""
    ready = instance.ready_since or now
    return max(timedelta(0), ready + timedelta(milliseconds=service.spec.update.monitor_ms) - now)


def ended_well(service: DesiredService, instance: Instance) -> bool:
    """It ran once, as it should, and is done."""
    return ended(service, instance) and instance.exit_code == 0


def ended_badly(service: DesiredService, instance: Instance) -> bool:
    """It failed, and its restart policy says to leave it so."""
    return ended(service, instance) and instance.exit_code != 0


def ended(service: DesiredService, instance: Instance) -> bool:
    """It ended for good: by its restart policy it is not to run again, and nobody has asked for it since."""
    if instance.phase is not Phase.EXITED or asked_for(service, instance):
        return False
    spec = service.spec
    match spec.restart:
        case Restart.NO:
            return True
        case Restart.ON_FAILURE:
            return instance.exit_code == 0 or (spec.restart_limit > 0 and instance.restarts >= spec.restart_limit)
        case Restart.ALWAYS | Restart.UNLESS_STOPPED:
            return False


def asked_for(service: DesiredService, instance: Instance) -> bool:
    """A person has asked for the service to start after this container ended; a rollback, only for what the upgrade stopped."""
    if service.started is None or service.started <= instance.since:
        return False
    return service.resumed is None or instance.since >= service.resumed


def restart_pause(service: DesiredService, instance: Instance, now: datetime) -> timedelta:
    """How long to wait before an EXITED container is started again; longer the more often it was restarted; zero when asked for."""
    if asked_for(service, instance):
        return timedelta(0)
    return max(timedelta(0), instance.since + backoff(max(1, instance.restarts)) - now)


def replacement_pause(instance: Instance, now: datetime) -> timedelta:
    """How long to wait before an UNHEALTHY container gets a successor; longer the more attempts there were."""
    return max(timedelta(0), instance.since + backoff(instance.attempt) - now)


def is_replaceable(service: DesiredService) -> bool:
    """`restart: no` asks to leave containers as they are, also unhealthy ones."""
    return service.spec.restart is not Restart.NO


# What services are to each other.


def waits_for(view: View, all_views: Survey) -> str:
    """What the first start of `view`'s containers still waits for, as in "waiting for db to be healthy"; empty when nothing.

    Only the first start of a template: once a container of it has run, dependencies do not matter any more, so that a database
    that is replaced does not drag the rest of the stack with it.
    """
    if any(view.is_current(i) and i.phase not in (Phase.CREATED, Phase.UNKNOWN) for i in view.instances):
        return ""
    return next((reason for d in _dependencies(view) if (reason := _unmet(d, all_views.view(d.service)))), "")


def is_stuck(view: View, all_views: Survey, seen: frozenset[str] = frozenset()) -> bool:
    """It cannot come to anything without a person: it failed for good, or waits for one that did."""
    if any(ended_badly(view.service, i) for i in view.keepers):
        return True
    if view.name in seen or not waits_for(view, all_views):
        return False
    for dependency in _dependencies(view):
        other = all_views.view(dependency.service)
        if not _unmet(dependency, other):
            continue
        if other is None or _came_to_nothing(dependency, other) is not None:
            return True
        if is_stuck(other, all_views, seen | {view.name}):
            return True
    return False


def _dependencies(view: View) -> list[Dependency]:
    return sorted(view.service.spec.depends_on, key=lambda d: d.service)


def _unmet(dependency: Dependency, view: View | None) -> str:
    name = dependency.service
    if view is None:
        return f"waiting for {name}, which this stack does not have" if dependency.required else ""
    if view.service.replicas == 0 or _is_met(dependency.condition, view):
        return ""
    ended_instance = _came_to_nothing(dependency, view)
    if not dependency.required and (view.service.stopped or ended_instance is not None):
        return ""
    if view.service.stopped:
        return f"waiting for {name}, which is stopped"
    if ended_instance is not None:
        failed = ended_badly(view.service, ended_instance)
        return f"waiting for {name}, which {'failed: ' if failed else 'has '}{how_it_ended(ended_instance)}"
    return f"waiting for {name} {_GOALS[dependency.condition]}"


def _came_to_nothing(dependency: Dependency, view: View) -> Instance | None:
    """The container of the dependency that ended for good without meeting the condition."""
    healthy = dependency.condition is Condition.HEALTHY
    return next((i for i in view.keepers if ended_badly(view.service, i) or (healthy and ended(view.service, i))), None)


_GOALS: Mapping[Condition, str] = {
    Condition.STARTED: "to start",
    Condition.HEALTHY: "to be healthy",
    Condition.COMPLETED: "to complete",
}


def _is_met(condition: Condition, view: View) -> bool:
    """Judged by containers of the wanted template: in an upgrade of both, the dependent waits for the new dependency."""
    service = view.service
    if service.stopped:
        return False
    done = sum(ended_well(service, i) for i in view.keepers)
    match condition:
        case Condition.STARTED:
            return done > 0 or any(i.phase in (Phase.STARTING, Phase.READY, Phase.UNHEALTHY) for i in view.keepers)
        case Condition.HEALTHY:
            return sum(i.phase is Phase.READY for i in view.keepers) >= enough_for_dependents(service.budget)
        case Condition.COMPLETED:
            return done == service.replicas


def how_it_ended(instance: Instance) -> str:
    """Such as "exited with 1, restarted 4 times"."""
    if instance.oom_killed:
        text = "out of memory"
    elif instance.exit_code is None:
        text = "ended"
    else:
        text = f"exited with {instance.exit_code}"
    return text + restarted(instance)


def restarted(instance: Instance) -> str:
    """Such as ", restarted 4 times"; empty when it was not."""
    match instance.restarts:
        case 0:
            return ""
        case 1:
            return ", restarted once"
        case times:
            return f", restarted {times} times"
