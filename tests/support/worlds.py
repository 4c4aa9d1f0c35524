"""A world for the planner: a simulated engine, tables that lead to containers, a clock, and a watchman that objects to any unsafe step.

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
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.observed import Instance, Phase, Route, Snapshot, Tables
from spin.model.revision import Deployment, Goal, Origin, Revision, ServiceWish, Upgrade
from spin.model.run import NO_JOBS, JobBook
from spin.model.stack import Condition, Image, ServiceSpec, StackSpec, UpdateOrder, template_digest
from spin.model.status import DeploymentStatus, Failure, Progress, State
from spin.model.steps import Create, Remove, RemoveVolume, RouteTo, Start, Step, Stop, Unroute
from spin.plan import Desired, Plan, compare, desire, gate, jobs, plan, progress_of, remember, routes, status, text, upgrades
from spin.site import Site

T = TypeVar("T")
DOMAIN = "example.org"
SITE = Site(domain=DOMAIN)
PATIENCE = timedelta(minutes=10)
"""An upgrade in which nothing moves for so long has failed."""
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
        keeping: bool = False,
        addresses: bool = False,
    ) -> None:
        """`keeping`: an `up` over a revision that worked is an upgrade to be confirmed, as on the platform; else nothing is kept.
        `addresses`: services have stable addresses."""
        self.addresses = addresses
        self.clock = SettableClock() if beside is None else beside.clock
        self.engine = SimulatedEngine(self.clock) if beside is None else beside.engine
        self.key = key or key_of()
        self.tables = Tables()
        self.deployment = Deployment(self.key, generation=1, revision=1, numbers=upgrades.numbered((), spec))
        self.revision = Revision(1, spec, versions, "ada", EPOCH, Origin.UP)
        self.base: Revision | None = None
        self.keeping = keeping
        self.roll_back_on_failure = False
        self.memory: DeploymentStatus | None = None
        """The status that the last pass has stored."""
        self.tolerant = False
        """Whether the engine may refuse a step: where something outside the platform is in the way."""
        self.ever_started: set[tuple[str, str]] = set()
        self.unrouted: dict[str, datetime] = {}
        """When containers were last seen to leave the tables."""
        self.done: list[str] = []
        self.book = NO_JOBS
        """What is stored of the stack's jobs."""
        self.run_starts: list[str] = []
        """Containers of runs that were started, each as often as it was."""
        self._desired: tuple[Deployment, Revision, Failure | None, JobBook, Desired] | None = None

    # What people do.

    @property
    def spec(self) -> StackSpec:
        return self.revision.spec

    def up(self, spec: StackSpec, versions: tuple[tuple[str, int], ...] | None = None) -> None:
        number = self.revision.number + 1
        kept = self.revision.secret_versions if versions is None else versions
        new = Revision(number, spec, kept, "ada", self.clock.now(), Origin.UP)
        upgrade = self._upgrade(new) if self.keeping else None
        if upgrade is not None and self.deployment.upgrade is None:
            self.base = self.revision
        numbers = upgrades.numbered(self.deployment.numbers, spec)
        self.revision = new
        self._write(replace(self.deployment, revision=number, upgrade=upgrade, numbers=numbers))

    def _upgrade(self, new: Revision) -> Upgrade | None:
        old = self.revision
        changes = compare(old.spec, new.spec, old_secrets=old.secret_versions, new_secrets=new.secret_versions)
        worked = self.memory is not None and self.memory.worked == self.deployment.revision
        return upgrades.accept(self.deployment, changes, self.clock.now(), worked=worked)

    def confirm(self) -> None:
        self._write(upgrades.confirm(self.deployment, self.clock.now()))

    def roll_back(self, author: str = "ada", note: str = "") -> None:
        assert self.base is not None
        changed, revision = upgrades.roll_back(
            self.deployment, self.revision, self.base, author=author, note=note, now=self.clock.now()
        )
        self.revision = revision
        self._write(changed)

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
        progress = self.progress
        failure = None if progress is None else progress.failure
        known = self._desired
        if known is None or known[:4] != (self.deployment, self.revision, failure, self.book):
            base = self.base if self.deployment.upgrade is not None else None
            desired = desire(self.deployment, self.revision, base, failure, addresses=self.addresses, book=self.book)
            self._desired = known = (self.deployment, self.revision, failure, self.book, desired)
        return known[4]

    @property
    def progress(self) -> Progress | None:
        return progress_of(self.deployment, None if self.memory is None else self.memory.progress)

    def observe(self) -> Snapshot:
        seen = run(self.engine.observe(self.key))
        seen = routes.mark_routed(self.key, self.desired, seen, self.tables, SITE)
        return remember(seen, self.memory, self.clock.now())

    def look(self) -> Snapshot:
        """What a pass sees, after the controller's own decisions about the upgrade; it is stored for the next one."""
        observed = self.observe()
        seen, progress = self.status(), self.progress
        if progress is not None and progress.failure is None and progress.complete is None:
            if gate.is_complete(self.desired, seen):
                progress = replace(progress, complete=self.clock.now())
            else:
                verdict = gate.judge(
                    self.desired, observed, seen, self.clock.now(), roll_back=self.roll_back_on_failure, patience=PATIENCE
                )
                if verdict is not None and verdict.roll_back:
                    self.roll_back("spin", verdict.failure.reason)
                    return self.look()
                if verdict is not None:
                    self.memory = replace(seen, progress=replace(progress, failure=verdict.failure))
                    return self.look()
        if self.write_runs(jobs.advance(self.desired, observed, self.clock.now())):
            return self.look()
        works = seen.state in (State.HEALTHY, State.COMPLETED, State.UPGRADED)
        before = 0 if self.memory is None else self.memory.worked
        self.memory = replace(seen, progress=progress, worked=self.deployment.revision if works else before)
        return observed

    def write_runs(self, found: jobs.Advance) -> bool:
        """What the store does with it; whether there was anything."""
        written = {j.service: replace(j, version=j.version + 1) for j in found.jobs}
        changed = {(r.service, r.number): r for r in found.runs}
        kept = tuple(r for r in self.book.runs if (r.service, r.number) not in changed)
        runs = sorted((*kept, *changed.values()), key=lambda r: (r.service, r.number))
        others = tuple(j for j in self.book.jobs if j.service not in written)
        self.book = JobBook((*others, *written.values()), tuple(runs))
        return bool(found)

    def ask(self, service: str, by: str = "ada") -> None:
        """A person wants a run now."""
        job = self.desired.job(service)
        assert job is not None
        self.write_runs(jobs.ask(self.desired, job, self.clock.now(), by))

    def plan(self) -> Plan:
        return plan(self.desired, self.observe(), self.clock.now())

    def status(self) -> DeploymentStatus:
        return status(self.desired, self.observe(), self.clock.now())

    def execute(self, step: Step, observed: Snapshot) -> None:
        """Do `step`, planned from `observed`, under the eyes of the watchman. Faults of the engine are the next pass's business."""
        before = self.observe()
        led = {i.id for i in before.instances if self._is_led_to(i)}
        self._object_before(step, before, observed)
        try:
            if isinstance(step, RouteTo | Unroute):
                self.tables = routes.lead(self.key, self.desired, before, self.tables, (step,), SITE)
            else:
                run(self.engine.execute(self.key, step))
        except SpinError as error:
            self.done.append(f"{text(step)} !! {error.message}")
            self._must(self.tolerant or error.message == SIMULATED, step, f"the engine refused it: {error.message}")
        else:
            self.done.append(text(step))
        if isinstance(step, Start) and any(i.id == step.id and self.desired.job(i.service) for i in before.instances):
            self.run_starts.append(step.name)
        self._note_unrouted(led)
        self._object_after(step, before)

    def tidy(self) -> None:
        """What the controller does with the tables when nothing else is left to do."""
        self.tables = routes.lead(self.key, self.desired, self.observe(), self.tables, (), SITE)

    def do_plan(self) -> None:
        """One whole pass."""
        observed = self.look()
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
            observed = self.look()
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

    def live_until(self, time: datetime, *, passes: int = 2000) -> None:
        """Passes up to that moment, the clock moving on as the plans say."""
        for _ in range(passes):
            observed = self.look()
            todo = plan(self.desired, observed, self.clock.now())
            for step in todo.steps:
                self.execute(step, observed)
            if todo.steps:
                self.clock.pass_by(PASS_SECONDS)
            elif self.clock.now() >= time:
                return
            else:
                going = any(i.alive and (self.desired.job(i.service) or i.phase is Phase.STARTING) for i in observed.instances)
                pause = min(timedelta(seconds=10) if going else timedelta(days=1), todo.wake_after or timedelta(days=1))
                self.clock.time = min(time, self.clock.now() + pause)
        raise AssertionError(f"not there after {passes} passes:\n" + "\n".join(self.done[-40:]))

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
            self._must(not any(self._is_led_to(i) for i in before.instances if i.id == step.id), step, "it is routed")
        if isinstance(step, Stop) and planned_on is not None:
            self._object_to_stop(step, planned_on)
        if isinstance(step, Remove) and planned_on is not None:
            self._must(not self._is_to_be_kept(planned_on, before), step, "the upgrade may be rolled back to it")
        if isinstance(step, Start) and planned_on is not None:
            self._object_to_start(step, planned_on, observed)

    def _object_to_stop(self, step: Stop, instance: Instance) -> None:
        """What is replaced or scaled away drains first; what a person has stopped or removed does not."""
        asked = self.deployment.goal is Goal.REMOVED or self.deployment.wish(instance.service).stopped
        left = self.unrouted.get(instance.id)
        if asked or not instance.connections or left is None:
            return
        drained = self.clock.now() - left >= timedelta(milliseconds=step.grace_ms)
        self._must(drained, step, f"{instance.connections} connections are open")

    def _is_to_be_kept(self, instance: Instance, before: Snapshot) -> bool:
        """It is the newest of the last confirmed revision in its slot, has run, and nobody has altered it."""
        upgrade, base = self.deployment.upgrade, self.base
        spec = None if base is None or upgrade is None else base.spec.service(instance.service)
        if base is None or upgrade is None or spec is None or self.deployment.goal is Goal.REMOVED:
            return False
        restarts = dict(upgrade.restarts).get(spec.name, 0)
        if instance.digest != template_digest(base.spec, spec, base.secret_versions, restarts) or instance.slot > spec.replicas:
            return False
        wanted = self.desired.service(spec.name)
        if wanted is not None and wanted.digest == instance.digest:
            return False  # it is not kept, but wanted
        same = [i for i in before.instances if (i.service, i.digest, i.slot) == (spec.name, instance.digest, instance.slot)]
        return not instance.altered and instance.phase is not Phase.CREATED and len(same) == 1

    def _object_to_start(self, step: Start, instance: Instance, observed: Snapshot) -> None:
        if self.desired.job(instance.service) is not None:
            stopped = self.deployment.wish(instance.service).stopped
            self._must(
                instance.phase is Phase.CREATED and not stopped, step, "a run is started once, and not while it is stopped"
            )
            self._must(instance.name not in self.run_starts, step, "the run was started before")
            return
        wanted = self.desired.service(instance.service)
        spec = None if wanted is None or wanted.retired else wanted.spec
        self._must(spec is not None and not self.deployment.wish(instance.service).stopped, step, "nobody wants it to run")
        mark = (instance.service, instance.digest)
        if spec is not None and mark not in self.ever_started:
            for dependency in spec.depends_on:
                known = self.desired.service(dependency.service)
                other = None if known is None or known.retired else known.spec
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

    def _note_unrouted(self, led: set[InstanceId]) -> None:
        for i in self.observe().instances:
            if self._is_led_to(i):
                self.unrouted.pop(i.id, None)
            elif i.id in led:
                self.unrouted[i.id] = self.clock.now()

    def _object_after(self, step: Step, before: Snapshot) -> None:
        after = self.observe()
        table = self.tables.routes
        self._must({r.owner for r in table} <= {str(self.key)}, step, "it made somebody else's routes")
        self._must(len({r.host for r in table}) == len(table), step, "two routes have one host")
        if isinstance(step, Create):
            same = [i for i in after.instances if (i.service, i.slot, i.digest) == (step.spec.name, step.slot, step.digest)]
            self._must(len({i.attempt for i in same}) == len(same), step, "two containers are the same attempt")
        for spec in (s.spec for s in self.desired.services if not s.retired):
            if self.deployment.goal is Goal.RUNNING:
                self._object_to_counts(step, spec, self._count(spec, before), self._count(spec, after))

    def _object_to_counts(self, step: Step, spec: ServiceSpec, before: Seen, after: Seen) -> None:
        alone = spec.update_order is UpdateOrder.STOP_FIRST
        at_once = max(1, min(spec.update.parallelism or spec.replicas, spec.replicas))
        if not self.deployment.wish(spec.name).stopped and after.serving < before.serving:
            least = max(0, spec.replicas - at_once) if alone else spec.replicas
            self._must(after.serving >= least, step, f"only {after.serving} of {spec.name} serve, {least} have to")
        if after.running > before.running:
            most = spec.replicas + (0 if alone else at_once)
            self._must(after.running <= most, step, f"{after.running} of {spec.name} run, {most} may")
        for slot, count in after.running_in_slot.items():
            if spec.alone and count > before.running_in_slot.get(slot, 0):
                self._must(count == 1, step, f"two containers of {spec.name} run in slot {slot}")

    def _count(self, spec: ServiceSpec, snapshot: Snapshot) -> Seen:
        mine = [i for i in snapshot.instances if i.service == spec.name]
        wanted = self.desired.service(spec.name)
        asked = self.deployment.wish(spec.name).started or EPOCH
        done = [
            i
            for i in mine
            if wanted
            and i.digest == wanted.digest
            and i.phase is Phase.EXITED
            and i.exit_code == 0
            and i.since >= asked
            and not i.altered
        ]
        run_once = {i.slot for i in done if i.slot <= spec.replicas} if spec.restart.value in ("no", "on-failure") else set()
        serving = sum(
            i.phase is Phase.READY and (spec.http is None or self._is_routed(i)) and (not self.addresses or self._is_called(i))
            for i in mine
        )
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
        return any(r.host.startswith(f"{i.service}.") and target in r.targets for r in self.tables.routes)

    def _is_called(self, i: Instance) -> bool:
        """The service's stable address leads to it on every network that it is on."""
        entries = [a for a in self.tables.addresses if a.service == i.service]
        return bool(entries) and all(dict(i.addresses).get(a.network) in a.targets for a in entries)

    def _is_led_to(self, i: Instance) -> bool:
        """Something leads to it."""
        addresses = {i.address, *(address for _, address in i.addresses)} - {None}
        led = {t.rpartition(":")[0] for r in self.tables.routes for t in r.targets}
        return bool(addresses & (led | {t for a in self.tables.addresses for t in a.targets}))

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
        kept = {i.id for i in seen.instances if i.phase is Phase.EXITED and self._is_to_be_kept(i, seen)}
        wanted = () if removed else tuple(s for s in self.desired.services if not s.retired)
        expected: set[tuple[str, int, str]] = set()
        for service in wanted:
            mine = [i for i in seen.instances if i.service == service.name and i.id not in kept]
            if service.held:  # of what has failed, the newest of each slot is left for a look
                mine = [i for i in seen.instances if i.service == service.name and i.digest == service.digest]
            slots = [i.slot for i in mine]
            if service.stopped:
                assert all(i.phase in (Phase.CREATED, Phase.EXITED) for i in mine)
                assert set(slots) <= set(range(1, service.spec.replicas + 1))
                expected |= {(i.service, i.slot, service.digest) for i in mine}
                continue
            assert sorted(slots) == list(range(1, service.spec.replicas + 1))
            assert all(self._is_fulfilled(service.spec, i) for i in mine), mine
            expected |= {(service.name, slot, service.digest) for slot in slots}
        found = {(i.service, i.slot, i.digest) for i in seen.instances if i.id not in kept}
        if self.desired.failure is None:
            assert found == expected
        assert found >= expected
        files = {(s.name, s.digest) for s in wanted if s.has_files} | {(i.service, i.digest) for i in seen.instances}
        assert set(seen.files) <= files
        if self.deployment.upgrade is None:
            assert set(seen.networks) <= (set() if removed else {n.name for n in self.spec.networks})
        self._routes_must_be_exact(seen)

    def _is_fulfilled(self, spec: ServiceSpec, i: Instance) -> bool:
        completed = i.phase is Phase.EXITED and i.exit_code == 0 and spec.restart.value in ("no", "on-failure")
        called = self.addresses and bool(spec.networks)
        return completed or (i.phase is Phase.READY and i.reached and i.routed == (spec.http is not None or called))

    def _routes_must_be_exact(self, seen: Snapshot) -> None:
        expected = set()
        for service in self.desired.services:
            serving = [i for i in seen.instances if i.service == service.name and i.phase is Phase.READY]
            if service.spec.http is not None and not service.retired:
                targets = tuple(sorted(f"{i.address}:{service.spec.http.port}" for i in serving))
                hosts = routes.hosts_of(self.key, service.spec, DOMAIN)
                expected |= {Route(host, str(self.key), targets) for host in hosts}
            for entry in (a for a in self.tables.addresses if a.service == service.name):
                assert set(entry.targets) == {dict(i.addresses)[entry.network] for i in serving}
        assert {replace(r, hold=False) for r in self.tables.routes} == expected
