"""What is wanted of a deployment, in the form that the planner reads: the revision and the wishes of people, worked out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spin.errors import Failed
from spin.model.names import DeploymentKey
from spin.model.revision import Deployment, Goal, Revision, ServiceWish
from spin.model.stack import Config, Grant, Network, ServiceSpec, StackSpec, UpdateOrder, Volume, template_digest
from spin.plan.rollout import Budget, budget_for


@dataclass(frozen=True, slots=True)
class DesiredService:
    """One service as it is wanted. `budget.replicas` containers, of template `digest`; kept but not running when `stopped`."""

    spec: ServiceSpec
    digest: str
    budget: Budget
    stopped: bool = False
    started: datetime | None = None
    """When a person last asked to start it: a container that ended before that moment is started once more."""
    networks: tuple[Network, ...] = ()
    """The networks that its containers join."""
    volumes: tuple[Volume, ...] = ()
    """The volumes that its containers mount."""
    configs: tuple[tuple[Grant, Config], ...] = ()
    secrets: tuple[tuple[Grant, str, int], ...] = ()
    """(grant, stored name, version)."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def order(self) -> UpdateOrder:
        return self.spec.update_order

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

    def service(self, name: str) -> DesiredService | None:
        return next((s for s in self.services if s.name == name), None)


def desire(deployment: Deployment, revision: Revision) -> Desired:
    """What `deployment` asks for, by `revision`. Raises Failed where the revision lacks the version of a secret that it uses."""
    if deployment.goal is Goal.REMOVED:
        return Desired(deployment.key, deployment.generation, removed=True, remove_volumes=deployment.remove_volumes)
    services = sorted(revision.spec.services, key=lambda s: s.name)
    return Desired(
        deployment.key,
        deployment.generation,
        tuple(_service(revision, service, deployment.wish(service.name)) for service in services),
        networks=tuple(sorted({n.name for n in revision.spec.networks} | {a.network for s in services for a in s.networks})),
    )


def _service(revision: Revision, service: ServiceSpec, wish: ServiceWish) -> DesiredService:
    spec = revision.spec
    return DesiredService(
        spec=service,
        digest=template_digest(spec, service, revision.secret_versions, wish.restarts),
        budget=budget_for(service.update_order, service.replicas),
        stopped=wish.stopped,
        started=wish.started,
        networks=_networks(spec, service),
        volumes=_volumes(spec, service),
        configs=tuple((g, c) for g in service.configs for c in spec.configs if c.name == g.source),
        secrets=_secrets(revision, service),
    )


def _networks(spec: StackSpec, service: ServiceSpec) -> tuple[Network, ...]:
    known = {n.name: n for n in spec.networks}
    return tuple(known.get(name, Network(name)) for name in sorted({a.network for a in service.networks}))


def _volumes(spec: StackSpec, service: ServiceSpec) -> tuple[Volume, ...]:
    known = {v.name: v for v in spec.volumes}
    return tuple(known.get(name, Volume(name)) for name in sorted({m.volume for m in service.mounts}))


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
