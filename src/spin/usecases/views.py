"""What people see of deployments: plain values, built from a handful of queries however many stacks there are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from spin.kit.canonical import digest
from spin.model.finding import Finding
from spin.model.revision import Deployment, Goal, Revision
from spin.model.stack import ServiceSpec
from spin.model.status import DeploymentStatus, InstanceStatus, ServiceStatus, State
from spin.plan import Changes
from spin.plan import routes as routing
from spin.site import Site


@dataclass(frozen=True, slots=True)
class ServiceView:
    name: str
    state: State
    ready: int
    wanted: int
    detail: str
    image: str
    """Reference as a registry knows it, with its tag."""
    digest: str | None
    urls: tuple[str, ...]
    ports: tuple[str, ...]
    """Published ports in Docker's form: `8081->80/tcp`."""


@dataclass(frozen=True, slots=True)
class ContainerView:
    name: str
    id: str
    service: str
    slot: int
    phase: str
    since: datetime
    current: bool
    """Made from the desired revision."""
    routed: bool
    address: str | None
    restarts: int
    detail: str
    image: str
    """Empty for containers of earlier revisions."""


@dataclass(frozen=True, slots=True)
class StackView:
    project: str
    environment: str
    stack: str
    state: State
    detail: str
    generation: int
    revision: int
    origin: str
    author: str
    created: datetime | None
    changed: datetime | None
    settled: bool
    """Nothing is under way any more: there is no use in waiting."""
    urls: tuple[str, ...]
    services: tuple[ServiceView, ...]
    containers: tuple[ContainerView, ...]
    token: str = ""
    """Changes whenever anything else in this view does."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do."""

    changes: Changes
    findings: tuple[Finding, ...]
    empty: bool
    generation: int
    """Of the deployment that the preview was made for; 0 where there is none yet."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that is now wanted; the controller is at it."""

    project: str
    environment: str
    stack: str
    generation: int
    revision: int
    changes: Changes
    findings: tuple[Finding, ...] = ()


def accepted(deployment: Deployment, changes: Changes | None = None, findings: tuple[Finding, ...] = ()) -> Accepted:
    key = deployment.key
    return Accepted(
        key.project, key.environment, key.stack, deployment.generation, deployment.revision, changes or Changes(), findings
    )


def stack_view(site: Site, deployment: Deployment, revision: Revision, status: DeploymentStatus | None) -> StackView:
    """The view of one deployment. A status of an earlier generation is shown, but its verdict is not: the controller has yet to look."""
    fresh = status is not None and status.generation == deployment.generation
    if status is not None and fresh:
        state, detail, settled = status.state, status.detail, status.settled
    else:
        state = State.REMOVING if deployment.goal is Goal.REMOVED else State.INITIALIZING
        detail, settled = "", False
    known = {} if status is None else {s.service: s for s in status.services}
    left = known if deployment.goal is Goal.REMOVED and fresh else {s.name for s in revision.spec.services}
    services = tuple(_service(site, deployment, s, known.get(s.name)) for s in revision.spec.services if s.name in left)
    images = {s.name: s.image.reference for s in revision.spec.services}
    view = StackView(
        project=deployment.key.project,
        environment=deployment.key.environment,
        stack=deployment.key.stack,
        state=state,
        detail=detail,
        generation=deployment.generation,
        revision=deployment.revision,
        origin=revision.origin.value,
        author=revision.author,
        created=deployment.created,
        changed=deployment.changed,
        settled=settled,
        urls=tuple(url for s in services for url in s.urls),
        services=services,
        containers=() if status is None else tuple(_container(i, images) for i in status.instances),
    )
    return _signed(view)


def removed_view(last: StackView) -> StackView:
    """What a watcher gets when the stack it looked at is gone for good."""
    return _signed(replace(last, state=State.REMOVED, detail="", settled=True, urls=(), services=(), containers=(), token=""))


def _signed(view: StackView) -> StackView:
    return replace(view, token=digest(view)[:16])


def _service(site: Site, deployment: Deployment, spec: ServiceSpec, status: ServiceStatus | None) -> ServiceView:
    if status is None:
        wanted = 0 if deployment.wish(spec.name).stopped else spec.replicas
        status = ServiceStatus(spec.name, State.INITIALIZING, 0, wanted)
    return ServiceView(
        name=spec.name,
        state=status.state,
        ready=status.ready,
        wanted=status.wanted,
        detail=status.detail,
        image=spec.image.reference,
        digest=spec.image.digest,
        urls=routing.urls_of(deployment.key, spec, site.domain, site.edge_port),
        ports=tuple(f"{p.published}->{p.target}/{p.protocol.value}" for p in spec.ports),
    )


def _container(status: InstanceStatus, images: dict[str, str]) -> ContainerView:
    return ContainerView(
        name=status.name,
        id=status.id,
        service=status.service,
        slot=status.slot,
        phase=status.phase,
        since=status.since,
        current=status.current,
        routed=status.routed,
        address=status.address,
        restarts=status.restarts,
        detail=status.detail,
        image=images.get(status.service, "") if status.current else "",
    )
