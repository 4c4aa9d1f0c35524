"""One deployment on a simulated engine, with what people and the controller do to it. It judges nothing: see `support.watchman`."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from spin.engines.simulated import SimulatedEngine
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.observed import Snapshot, Tables
from spin.model.revision import Deployment, Goal, Origin, Revision, ServiceWish, Upgrade
from spin.model.run import NO_JOBS, JobBook
from spin.model.stack import Image, StackSpec
from spin.model.status import DeploymentStatus, Failure, Progress, State
from spin.plan import Desired, Plan, compare, desire, gate, jobs, plan, progress_of, remember, routes, status, upgrades
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


class Planned:
    """One deployment and its surroundings."""

    def __init__(
        self,
        spec: StackSpec,
        *,
        key: DeploymentKey | None = None,
        versions: tuple[tuple[str, int], ...] = (),
        beside: Planned | None = None,
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

    def tidy(self) -> None:
        """What the controller does with the tables when nothing else is left to do."""
        self.tables = routes.lead(self.key, self.desired, self.observe(), self.tables, (), SITE)
