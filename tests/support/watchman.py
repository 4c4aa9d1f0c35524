"""A watchman over one deployment, who objects to any step that is not safe at the moment at which it is taken.

He has rules of his own and shares no judgement with the planner: he counts containers in the engine before and after every single step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from spin.model.names import InstanceId
from spin.model.observed import Instance, Phase, Route, Snapshot
from spin.model.revision import Goal
from spin.model.stack import Condition, ServiceSpec, UpdateOrder, template_digest
from spin.model.steps import Create, Remove, RemoveVolume, RouteTo, Start, Step, Stop, Unroute
from spin.plan import routes, text
from support.planned import DOMAIN, EPOCH, Planned


class UnsafeStepError(AssertionError):
    """The planner planned something that is not safe."""


@dataclass(frozen=True)
class Seen:
    """What the watchman counts of one service at one moment."""

    serving: int
    running: int
    running_in_slot: dict[int, int]


class Watchman(Planned):
    """A deployment under his eyes."""

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
