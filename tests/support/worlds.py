"""A world for the planner: a simulated engine, a table of routes and a clock, and a watchman that objects to any unsafe step.

The watchman has rules of his own and shares no judgement with the planner: he counts containers in the engine before and after
every single step.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from spin.engines.simulated import SimulatedEngine
from spin.errors import SpinError
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.observed import Instance, Phase, Route, Snapshot
from spin.model.revision import Deployment, Goal, Origin, Revision, ServiceWish
from spin.model.stack import Condition, Image, ServiceSpec, StackSpec, UpdateOrder
from spin.model.status import DeploymentStatus
from spin.model.steps import Create, Remove, RemoveVolume, RouteTo, Start, Step, Stop, Unroute
from spin.plan import Desired, Plan, desire, plan, routes, status, text

T = TypeVar("T")
DOMAIN = "example.org"
SIMULATED = "simulated failure"
PASS_SECONDS = 0.1
"""How long a pass that does something takes."""
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: the simulated engine does not, so no event loop is needed."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("this was not to wait for anything")


class SettableClock:
    def __init__(self, now: datetime = EPOCH) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def image(name: str, version: int = 1) -> Image:
    return Image(f"registry.example.org/shop/{name}:{version}", f"sha256:{version:08}{'0' * 56}")


def key_of(stack: str = "shop") -> DeploymentKey:
    return DeploymentKey(ProjectName("project"), EnvironmentName("development"), StackName(stack))


class UnsafeStepError(AssertionError):
    """The planner planned something that is not safe."""


@dataclass(frozen=True)
class Seen:
    """What the watchman counts of one service at one moment."""

    serving: int
    running: int
    running_in_slot: dict[int, int]


class World:
    """One deployment and its surroundings."""

    def __init__(
        self,
        spec: StackSpec,
        *,
        key: DeploymentKey | None = None,
        versions: tuple[tuple[str, int], ...] = (),
        beside: World | None = None,
    ) -> None:
        self.clock = SettableClock() if beside is None else beside.clock
        self.engine = SimulatedEngine(self.clock) if beside is None else beside.engine
        self.key = key or key_of()
        self.table: tuple[Route, ...] = (Route("elsewhere.example.org", "project/development/elsewhere", ("10.9.9.9:80",)),)
        self.foreign_routes = self.table
        self.deployment = Deployment(self.key, generation=1, revision=1)
        self.revision = Revision(1, spec, versions, "ada", EPOCH, Origin.UP)
        self.tolerant = False
        """Whether the engine may refuse a step: where something outside the platform is in the way."""
        self.ever_started: set[tuple[str, str]] = set()
        self.done: list[str] = []
        self._desired: tuple[Deployment, Revision, Desired] | None = None

    # What people do.

    @property
    def spec(self) -> StackSpec:
        return self.revision.spec

    def up(self, spec: StackSpec, versions: tuple[tuple[str, int], ...] | None = None) -> None:
        number = self.revision.number + 1
        kept = self.revision.secret_versions if versions is None else versions
        self.revision = Revision(number, spec, kept, "ada", self.clock.now(), Origin.UP)
        self._write(replace(self.deployment, revision=number))

    def change(self, service: str, **fields: Any) -> None:
        """`up` with other fields of one service."""
        before = self.spec.service(service)
        assert before is not None
        self.up(self.spec.with_service(replace(before, **fields)))

    def scale(self, service: str, replicas: int) -> None:
        self.change(service, replicas=replicas)

    def stop(self, *services: str) -> None:
        for service in services or tuple(s.name for s in self.spec.services):
            self._wish(replace(self.deployment.wish(service), stopped=True))

    def start(self, *services: str) -> None:
        for service in services or tuple(s.name for s in self.spec.services):
            self._wish(replace(self.deployment.wish(service), stopped=False, started=self.clock.now()))

    def restart(self, *services: str) -> None:
        for service in services or tuple(s.name for s in self.spec.services):
            wish = self.deployment.wish(service)
            self._wish(replace(wish, restarts=wish.restarts + 1))

    def remove(self, *, volumes: bool = False) -> None:
        self._write(replace(self.deployment, goal=Goal.REMOVED, remove_volumes=volumes))

    def _wish(self, wish: ServiceWish) -> None:
        others = tuple(w for w in self.deployment.wishes if w.service != wish.service)
        self._write(replace(self.deployment, wishes=(*others, wish)))

    def _write(self, deployment: Deployment) -> None:
        self.deployment = replace(deployment, generation=self.deployment.generation + 1)

    # What the controller does.

    @property
    def desired(self) -> Desired:
        known = self._desired
        if known is None or known[0] is not self.deployment or known[1] is not self.revision:
            self._desired = known = (self.deployment, self.revision, desire(self.deployment, self.revision))
        return known[2]

    def observe(self) -> Snapshot:
        seen = run(self.engine.observe(self.key))
        return routes.mark_routed(self.key, self.desired, seen, self.table, DOMAIN)

    def plan(self) -> Plan:
        return plan(self.desired, self.observe(), self.clock.now())

    def status(self) -> DeploymentStatus:
        return status(self.desired, self.observe(), self.clock.now())

    def execute(self, step: Step, observed: Snapshot) -> None:
        """Do `step`, planned from `observed`, under the eyes of the watchman. Faults of the engine are the next pass's business."""
        before = self.observe()
        self._object_before(step, before, observed)
        try:
            if isinstance(step, RouteTo | Unroute):
                self.table = routes.apply(self.key, self.desired, before, self.table, (step,), DOMAIN)
            else:
                run(self.engine.execute(self.key, step))
        except SpinError as error:
            self.done.append(f"{text(step)} !! {error.message}")
            self._must(self.tolerant or error.message == SIMULATED, step, f"the engine refused it: {error.message}")
        else:
            self.done.append(text(step))
        self._object_after(step, before)

    def tidy(self) -> None:
        """What the controller does with the table when nothing else is left to do."""
        self.table = routes.apply(self.key, self.desired, self.observe(), self.table, (), DOMAIN)

    def do_plan(self) -> None:
        """One whole pass."""
        observed = self.observe()
        for step in plan(self.desired, observed, self.clock.now()).steps:
            self.execute(step, observed)

    def settle_for(self, seconds: float) -> None:
        """Passes, one after the other, for as long as that."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.do_plan()
            self.clock.pass_by(PASS_SECONDS)

    def settle(self, *, passes: int = 300) -> list[str]:
        """Plan and do everything until nothing is left to do or to wait for; returns the steps' texts, in order."""
        first = len(self.done)
        for _ in range(passes):
            observed = self.observe()
            todo = plan(self.desired, observed, self.clock.now())
            for step in todo.steps:
                self.execute(step, observed)
            if todo.steps:
                self.clock.pass_by(PASS_SECONDS)
                continue
            self.tidy()
            waiting = any(i.phase is Phase.STARTING for i in observed.instances)
            if not waiting and todo.wake_after is None:
                return self.done[first:]
            pause = todo.wake_after or timedelta(seconds=1)
            self.clock.time += min(pause, timedelta(seconds=1)) if waiting else pause
        raise AssertionError(f"not settled after {passes} passes:\n" + "\n".join(self.done[-40:]))

    # The watchman.

    def _object_before(self, step: Step, before: Snapshot, observed: Snapshot) -> None:
        if isinstance(step, RemoveVolume):
            approved = self.deployment.goal is Goal.REMOVED and self.deployment.remove_volumes
            self._must(approved, step, "nobody approved the loss of data")
        if not isinstance(step, Start | Stop | Remove | RouteTo | Unroute):
            return
        planned_on = next((i for i in observed.instances if i.id == step.id), None)
        self._must(planned_on is not None, step, "it is about a container that was not observed")
        self._must(planned_on is None or planned_on.phase is not Phase.UNKNOWN, step, "its state is unknown")
        if isinstance(step, Stop | Remove):
            self._must(not any(self._is_routed(i) for i in before.instances if i.id == step.id), step, "it is routed")
        if isinstance(step, Start) and planned_on is not None:
            self._object_to_start(step, planned_on, observed)

    def _object_to_start(self, step: Start, instance: Instance, observed: Snapshot) -> None:
        spec = self.spec.service(instance.service)
        self._must(spec is not None and not self.deployment.wish(instance.service).stopped, step, "nobody wants it to run")
        mark = (instance.service, instance.digest)
        if spec is not None and mark not in self.ever_started:
            for dependency in spec.depends_on:
                other = self.spec.service(dependency.service)
                optional = not dependency.required and self._is_out(dependency.service, observed)
                if other is not None and other.replicas > 0 and not optional:
                    met = self._reached(other, dependency.condition, observed)
                    self._must(met, step, f"{other.name} has not reached {dependency.condition.value}")
        self.ever_started.add(mark)

    def _is_out(self, service: str, observed: Snapshot) -> bool:
        """Stopped by a person, or ended with a failure: no reason for others to wait, if they can do without."""
        failed = any(i.service == service and i.phase is Phase.EXITED and i.exit_code != 0 for i in observed.instances)
        return failed or self.deployment.wish(service).stopped

    def _reached(self, spec: ServiceSpec, condition: Condition, observed: Snapshot) -> bool:
        wanted = self.desired.service(spec.name)
        assert wanted is not None
        mine = [i for i in observed.instances if i.service == spec.name and i.digest == wanted.digest]
        completed = [i for i in mine if i.phase is Phase.EXITED and i.exit_code == 0]
        if condition is Condition.COMPLETED:
            return {i.slot for i in completed} >= set(range(1, spec.replicas + 1))
        if condition is Condition.HEALTHY:
            least = spec.replicas - (spec.update_order is UpdateOrder.STOP_FIRST)
            return sum(i.phase is Phase.READY for i in mine) >= max(1, least)
        return bool(completed) or any(i.phase in (Phase.STARTING, Phase.READY, Phase.UNHEALTHY) for i in mine)

    def _object_after(self, step: Step, before: Snapshot) -> None:
        after = self.observe()
        others = tuple(r for r in self.table if r.owner != str(self.key))
        self._must(others == self.foreign_routes, step, "it changed somebody else's routes")
        self._must(len({r.host for r in self.table}) == len(self.table), step, "two routes have one host")
        if isinstance(step, Create):
            same = [i for i in after.instances if (i.service, i.slot, i.digest) == (step.spec.name, step.slot, step.digest)]
            self._must(len({i.attempt for i in same}) == len(same), step, "two containers are the same attempt")
        for spec in self.spec.services:
            if self.deployment.goal is Goal.RUNNING:
                self._object_to_counts(step, spec, self._count(spec, before), self._count(spec, after))

    def _object_to_counts(self, step: Step, spec: ServiceSpec, before: Seen, after: Seen) -> None:
        alone = spec.update_order is UpdateOrder.STOP_FIRST
        if not self.deployment.wish(spec.name).stopped and after.serving < before.serving:
            least = spec.replicas - alone
            self._must(after.serving >= least, step, f"only {after.serving} of {spec.name} serve, {least} have to")
        if after.running > before.running:
            most = spec.replicas + (not alone)
            self._must(after.running <= most, step, f"{after.running} of {spec.name} run, {most} may")
        for slot, count in after.running_in_slot.items():
            if alone and count > before.running_in_slot.get(slot, 0):
                self._must(count == 1, step, f"two containers of {spec.name} run in slot {slot}")

    def _count(self, spec: ServiceSpec, snapshot: Snapshot) -> Seen:
        mine = [i for i in snapshot.instances if i.service == spec.name]
        wanted = self.desired.service(spec.name)
        asked = self.deployment.wish(spec.name).started or EPOCH
        done = [
            i
            for i in mine
            if wanted and i.digest == wanted.digest and i.phase is Phase.EXITED and i.exit_code == 0 and i.since >= asked
        ]
        run_once = {i.slot for i in done if i.slot <= spec.replicas} if spec.restart.value in ("no", "on-failure") else set()
        serving = sum(i.phase is Phase.READY and (spec.http is None or self._is_routed(i)) for i in mine)
        running = [i for i in mine if i.phase not in (Phase.CREATED, Phase.EXITED)]
        in_slot: dict[int, int] = {}
        for i in running:
            in_slot[i.slot] = in_slot.get(i.slot, 0) + 1
        return Seen(serving + len(run_once), len(running), in_slot)

    def _is_routed(self, i: Instance) -> bool:
        """The edge leads to a port on which the container listens."""
        made_as = next(c.spec for c in self.engine.containers(self.key) if c.id == i.id)
        if i.address is None or made_as.http is None:
            return False
        target = f"{i.address}:{made_as.http.port}"
        return any(r.owner == str(self.key) and r.host.startswith(f"{i.service}.") and target in r.targets for r in self.table)

    def _must(self, holds: bool, step: Step, reason: str) -> None:
        if not holds:
            story = "\n".join(self.done[-25:])
            raise UnsafeStepError(f"unsafe: {text(step)}\nbecause {reason}\nafter:\n{story}")

    # What must be true in the end.

    def must_be_converged(self) -> None:
        """Everything wanted is there, exactly; nothing else is; the plan is empty and the status says so."""
        self.tidy()
        seen, todo = self.observe(), self.plan()
        assert (todo.steps, todo.wake_after) == ((), None)
        assert self.status().settled, self.status()
        removed = self.deployment.goal is Goal.REMOVED
        wanted = () if removed else self.desired.services
        expected: set[tuple[str, int, str]] = set()
        for service in wanted:
            mine = [i for i in seen.instances if i.service == service.name]
            slots = [i.slot for i in mine]
            if service.stopped:
                assert all(i.phase in (Phase.CREATED, Phase.EXITED) for i in mine)
                assert set(slots) <= set(range(1, service.spec.replicas + 1))
                expected |= {(i.service, i.slot, service.digest) for i in mine}
                continue
            assert sorted(slots) == list(range(1, service.spec.replicas + 1))
            assert all(self._is_fulfilled(service.spec, i) for i in mine), mine
            expected |= {(service.name, slot, service.digest) for slot in slots}
        assert {(i.service, i.slot, i.digest) for i in seen.instances} == expected
        assert set(seen.files) <= {(s.name, s.digest) for s in wanted if s.has_files}
        assert set(seen.networks) <= (set() if removed else {n.name for n in self.spec.networks})
        self._routes_must_be_exact(seen)

    @staticmethod
    def _is_fulfilled(spec: ServiceSpec, i: Instance) -> bool:
        completed = i.phase is Phase.EXITED and i.exit_code == 0 and spec.restart.value in ("no", "on-failure")
        return completed or (i.phase is Phase.READY and i.routed == (spec.http is not None))

    def _routes_must_be_exact(self, seen: Snapshot) -> None:
        expected = set(self.foreign_routes)
        for service in self.desired.services:
            serving = [i for i in seen.instances if i.service == service.name and i.phase is Phase.READY]
            if service.spec.http is not None:
                targets = tuple(sorted(f"{i.address}:{service.spec.http.port}" for i in serving))
                hosts = routes.hosts_of(self.key, service.spec, DOMAIN)
                expected |= {Route(host, str(self.key), targets) for host in hosts}
        assert set(self.table) == expected
