"""What is wanted of a deployment, in the form that the planner reads: revisions and the wishes of people, worked out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.observed import Instance
from spin.model.revision import Deployment, Goal, Origin, Revision, ServiceWish, Upgrade
from spin.model.run import NO_JOBS, JobBook, Run
from spin.model.stack import Config, Grant, Network, ServiceSpec, StackSpec, UpdateOrder, Volume, template_digest
from spin.model.status import Failure, Progress
from spin.model.steps import Peer
from spin.plan.rollout import Budget, budget_for


@dataclass(frozen=True, slots=True)
class Kept:
    """Containers that are not wanted now, but may be again: those of template `digest` in the slots up to `replicas`."""

    digest: str
    replicas: int


@dataclass(frozen=True, slots=True)
class DesiredService:
    """One service as it is wanted. `budget.replicas` containers, of template `digest`; kept but not running when `stopped`."""

    spec: ServiceSpec
    digest: str
    budget: Budget
    order: UpdateOrder
    stopped: bool = False
    started: datetime | None = None
    """When a person last asked to start it: a container that ended before that moment is started once more."""
    resumed: datetime | None = None
    """With `started`: only a container that ended after this moment."""
    networks: tuple[Network, ...] = ()
    """The networks that its containers join."""
    volumes: tuple[Volume, ...] = ()
    """The volumes that its containers mount."""
    configs: tuple[tuple[Grant, Config], ...] = ()
    secrets: tuple[tuple[Grant, str, int], ...] = ()
    """(grant, stored name, version)."""
    number: int | None = None
    """Its stable address follows from it; None where it has none."""
    peers: tuple[Peer, ...] = ()
    """The other services that its containers can call at stable addresses."""
    kept: Kept | None = None
    """What is kept, stopped, until the upgrade is confirmed or given up."""
    changed: bool = False
    """The unconfirmed upgrade exchanges its containers, or brings the service: its failures are the upgrade's."""
    held: bool = False
    """The upgrade has failed, and the service is wanted as it was before."""
    retired: bool = False
    """Not part of the stack any more; here for what is kept of it only."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def replicas(self) -> int:
        return self.budget.replicas

    @property
    def has_files(self) -> bool:
        return bool(self.configs or self.secrets)


@dataclass(frozen=True, slots=True)
class Desired:
    """The planner's input. A deployment that is to be removed has no services, networks or volumes."""

    key: DeploymentKey
    generation: int
    services: tuple[DesiredService, ...] = ()
    removed: bool = False
    remove_volumes: bool = False
    """A person approved the deletion of the volumes' data. Only ever true together with `removed`."""
    networks: tuple[str, ...] = ()
    """The networks that stay."""
    upgrade: Upgrade | None = None
    failure: Failure | None = None
    """Why the upgrade has stopped."""
    rolling_back: bool = False
    """The revision is a return to an earlier one."""
    depends: tuple[tuple[str, str], ...] = ()
    """(service, one that it depends on), also of a deployment that is to be removed: what depends on another stops before it."""
    jobs: tuple[DesiredService, ...] = ()
    """The services with a schedule. They have no replicas; their containers are those of runs, in `book`."""
    book: JobBook = NO_JOBS
    revision: int = 0
    """Number of the wanted revision."""

    def service(self, name: str) -> DesiredService | None:
        return next((s for s in self.services if s.name == name), None)

    def job(self, name: str) -> DesiredService | None:
        return next((s for s in self.jobs if s.name == name), None)

    def run_of(self, instance: Instance) -> Run | None:
        """The run whose container that is."""
        if self.job(instance.service) is None:
            return None
        same = (instance.service, instance.slot, instance.digest)
        return next((r for r in self.book.runs if (r.service, r.number, r.digest) == same), None)


def progress_of(deployment: Deployment, stored: Progress | None) -> Progress | None:
    """What was noticed of the deployment's upgrade so far; what was noticed of an earlier one is forgotten."""
    if deployment.upgrade is None:
        return None
    if stored is not None and stored.changed == deployment.upgrade.changed:
        return stored
    return Progress(deployment.upgrade.changed)


def desire(
    deployment: Deployment,
    revision: Revision,
    base: Revision | None = None,
    failure: Failure | None = None,
    *,
    addresses: bool = False,
    book: JobBook = NO_JOBS,
) -> Desired:
    """What `deployment` asks for, by `revision`.

    `base`: the last confirmed revision, where an upgrade is unconfirmed; `failure`: why that upgrade has stopped: the services that
    it names as held are wanted as in the base, and what was made of them since is kept for a look. `addresses`: services have
    stable addresses. `book`: what is remembered of its jobs. Raises Failed where a revision lacks the version of a secret that it uses.
    """
    depends = tuple((s.name, d.service) for s in revision.spec.services for d in s.depends_on)
    if deployment.goal is Goal.REMOVED:
        volumes = deployment.remove_volumes
        return Desired(deployment.key, deployment.generation, removed=True, remove_volumes=volumes, depends=depends)
    new = _Side(revision, {w.service: w.restarts for w in deployment.wishes})
    old = None
    if deployment.upgrade is not None and base is not None:
        old = _Side(base, dict(deployment.upgrade.restarts))
    held: dict[str, tuple[datetime, datetime]] = {}
    if failure is not None and deployment.upgrade is not None:
        held = dict.fromkeys(failure.held, (deployment.upgrade.since, failure.when))
    names = sorted({s.name for side in (new, old) if side is not None for s in side.services})
    numbers = dict(deployment.numbers) if addresses else None
    services = tuple(_service(name, new, old, deployment.wish(name), numbers, held.get(name)) for name in names)
    networks = {n.name for side in (new, old) if side for n in side.revision.spec.networks}
    networks |= {a.network for service in services for a in service.spec.networks}
    return Desired(
        deployment.key,
        deployment.generation,
        services,
        networks=tuple(sorted(networks)),
        upgrade=deployment.upgrade if old is not None else None,
        failure=failure if old is not None else None,
        rolling_back=revision.origin is Origin.ROLLBACK,
        depends=depends,
        jobs=tuple(_job(s, new, deployment.wish(s.name), numbers) for s in revision.spec.services if s.schedule is not None),
        book=book,
        revision=revision.number,
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two revisions that an upgrade is between."""

    revision: Revision
    restarts: dict[str, int]

    @property
    def services(self) -> tuple[ServiceSpec, ...]:
        """Those that have containers of their own: jobs are not exchanged, their next run is made anew."""
        return tuple(s for s in self.revision.spec.services if s.schedule is None)

    def service(self, name: str) -> ServiceSpec | None:
        return next((s for s in self.services if s.name == name), None)

    def digest(self, service: ServiceSpec) -> str:
        revision = self.revision
        return template_digest(revision.spec, service, revision.secret_versions, self.restarts.get(service.name, 0))


def _service(
    name: str,
    new: _Side,
    old: _Side | None,
    wish: ServiceWish,
    numbers: dict[str, int] | None,
    resumed: tuple[datetime, datetime] | None,
) -> DesiredService:
    """`resumed`: the upgrade has failed, and what it stopped between these moments runs again."""
    held = resumed is not None
    side, other = (old, new) if held and old is not None else (new, old)
    service = side.service(name)
    another = None if other is None else other.service(name)
    kept = None
    if other is not None and another is not None and (service is None or other.digest(another) != side.digest(service)):
        kept = Kept(other.digest(another), another.replicas)
    changed = old is not None and new.service(name) is not None and (kept is not None or old.service(name) is None)
    if service is None:
        return _retired(name, other or side, kept, changed=changed)
    # Without stable addresses `retain_ip` means the very address, which two containers cannot have at once.
    order = UpdateOrder.STOP_FIRST if service.retain_ip and numbers is None else service.update_order
    return DesiredService(
        spec=service,
        digest=side.digest(service),
        budget=budget_for(order, service.replicas, service.update.parallelism),
        order=order,
        stopped=wish.stopped,
        started=wish.started if resumed is None else resumed[1],
        resumed=wish.resumed if resumed is None else resumed[0],
        networks=_networks(side.revision.spec, service),
        volumes=_volumes(side.revision.spec, service),
        configs=tuple((g, c) for g in service.configs for c in side.revision.spec.configs if c.name == g.source),
        secrets=_secrets(side.revision, service),
        number=None if numbers is None else numbers.get(name),
        peers=_peers(side.revision.spec, service, numbers or {}),
        kept=kept,
        changed=changed,
        held=held,
    )


def _retired(name: str, side: _Side, kept: Kept | None, *, changed: bool) -> DesiredService:
    """A service that only the other side has: nothing of it is wanted, and its containers are kept."""
    spec = side.service(name)
    assert spec is not None  # noqa: S101 - the name came from one of the two sides
    return DesiredService(
        spec,
        digest="",
        budget=budget_for(spec.update_order, 0),
        order=spec.update_order,
        kept=kept,
        changed=changed,
        retired=True,
        networks=_networks(side.revision.spec, spec),
    )


def _job(service: ServiceSpec, side: _Side, wish: ServiceWish, numbers: dict[str, int] | None) -> DesiredService:
    return DesiredService(
        spec=service,
        digest=side.digest(service),
        budget=budget_for(service.update_order, 0),
        order=service.update_order,
        stopped=wish.stopped,
        started=wish.started,
        networks=_networks(side.revision.spec, service),
        volumes=_volumes(side.revision.spec, service),
        configs=tuple((g, c) for g in service.configs for c in side.revision.spec.configs if c.name == g.source),
        secrets=_secrets(side.revision, service),
        peers=_peers(side.revision.spec, service, numbers or {}),
    )


def _networks(spec: StackSpec, service: ServiceSpec) -> tuple[Network, ...]:
    known = {n.name: n for n in spec.networks}
    return tuple(known.get(name, Network(name)) for name in sorted({a.network for a in service.networks}))


def _volumes(spec: StackSpec, service: ServiceSpec) -> tuple[Volume, ...]:
    known = {v.name: v for v in spec.volumes}
    return tuple(known.get(name, Volume(name)) for name in sorted({m.volume for m in service.mounts}))


def _peers(spec: StackSpec, service: ServiceSpec, numbers: dict[str, int]) -> tuple[Peer, ...]:
    """The names of other services on each of this one's networks, in its order."""
    mine = {a.network for a in service.networks}
    called = {s.name: {n for a in s.networks if a.network in mine for n in (s.name, *a.aliases)} for s in spec.services}
    uses = Counter(name for names in called.values() for name in names)
    found: list[Peer] = []
    for attachment in service.networks:
        for other in spec.services:
            number = numbers.get(other.name)
            theirs = next((a for a in other.networks if a.network == attachment.network), None)
            if other.name == service.name or other.schedule is not None or number is None or theirs is None:
                continue
            several = dict.fromkeys((other.name, *theirs.aliases))
            names = tuple(n for n in several if uses[n] == 1)  # a name that services share means all of them
            if names:
                found.append(Peer(attachment.network, names, number))
    return tuple(found)


def _secrets(revision: Revision, service: ServiceSpec) -> tuple[tuple[Grant, str, int], ...]:
    stored = {s.name: s.stored for s in revision.spec.secrets}
    versions = dict(revision.secret_versions)
    found = []
    for grant in service.secrets:
        name = stored.get(grant.source, grant.source)
        if name not in versions:
            raise Failed(
                f"Revision {revision.number} does not say which version of secret {name!r} service {service.name!r} gets. "
                "Deploy the stack again.",
                secret=name,
                service=service.name,
            )
        found.append((grant, name, versions[name]))
    return tuple(found)
