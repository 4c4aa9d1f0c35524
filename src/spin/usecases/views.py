"""What people see of deployments: plain values, built from a handful of queries however many stacks there are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from spin.model.finding import Finding
from spin.model.names import DeploymentKey
from spin.model.revision import Deployment, Goal, Origin, Revision
from spin.model.stack import FailureAction, ServiceSpec
from spin.model.status import DeploymentStatus, Failure, InstanceStatus, Progress, ServiceStatus, State
from spin.plan import Changes, progress_of
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
    kept: bool
    """Not wanted now, but kept until the upgrade is confirmed."""


@dataclass(frozen=True, slots=True)
class UpgradeView:
    """An upgrade that nobody has confirmed yet."""

    base: int
    """The confirmed revision, to which a rollback leads."""
    since: datetime
    complete: datetime | None
    """When everything was seen to run for the first time."""
    failed: Failure | None
    """Why it has stopped."""
    on_failure: FailureAction | None
    """What the person who began it wants to happen then; None: what services and environment say."""
    confirm_at: datetime | None
    """When it will be confirmed by itself; None: somebody has to."""


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
    tags: dict[str, str]
    """Whose the stack is and what it needs; `owner` is always there, but for stacks from before there were tags."""
    note: str
    """Why the revision was made, as the person said; of a rollback that nobody asked for the reason, and below it the last log lines."""
    created: datetime | None
    changed: datetime | None
    settled: bool
    """Nothing is under way any more: there is no use in waiting."""
    upgrade: UpgradeView | None
    """None where nothing has to be confirmed."""
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
    base: int | None = None
    """The confirmed revision, where the change is part of an upgrade that has to be confirmed."""


def accepted(deployment: Deployment, changes: Changes | None = None, findings: tuple[Finding, ...] = ()) -> Accepted:
    key = deployment.key
    return Accepted(
        project=key.project,
        environment=key.environment,
        stack=key.stack,
        generation=deployment.generation,
        revision=deployment.revision,
        changes=changes or Changes(),
        findings=findings,
        base=None if deployment.upgrade is None else deployment.upgrade.base,
    )


def stack_view(site: Site, deployment: Deployment, revision: Revision, status: DeploymentStatus | None) -> StackView:
    """The view of one deployment. A status of an earlier generation is shown, but its verdict is not: the controller has yet to look."""
    fresh = status is not None and status.generation == deployment.generation
    if status is not None and fresh:
        state, detail, settled = status.state, status.detail, status.settled
    else:
        state, detail, settled = _expected(deployment, revision), "", False
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
        tags=dict(revision.spec.tags),
        note=revision.note,
        created=deployment.created,
        changed=deployment.changed,
        settled=settled,
        upgrade=_upgrade(site, deployment, revision, status),
        urls=tuple(url for s in services for url in s.urls),
        services=services,
        containers=() if status is None else tuple(_container(i, images) for i in status.instances),
    )
    return _signed(view)


KEPT = 4096
"""Views that are kept: some 10 KiB each."""


class Views:
    """Views of deployments by their key, each kept as long as it is made of the very same values: most that are asked for have not changed
    since they were last. The store gives the same value for the same text (`spin.store.codec`).
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._kept: dict[DeploymentKey, tuple[Deployment, Revision, DeploymentStatus | None, StackView]] = {}

    def view(self, site: Site, deployment: Deployment, revision: Revision, status: DeploymentStatus | None) -> StackView:
        """As `stack_view`; always of the same site."""
        kept = self._kept.get(deployment.key)
        if kept is not None and kept[1] is revision and kept[2] is status and kept[0] == deployment:
            return kept[3]
        made = stack_view(site, deployment, revision, status)
        self._kept.pop(deployment.key, None)
        self._kept[deployment.key] = (deployment, revision, status, made)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return made


def _expected(deployment: Deployment, revision: Revision) -> State:
    """The state until the controller has looked."""
    if deployment.goal is Goal.REMOVED:
        return State.REMOVING
    if revision.origin is Origin.ROLLBACK and deployment.changed == revision.created:
        return State.ROLLING_BACK
    upgrade = deployment.upgrade
    return State.UPGRADING if upgrade is not None and upgrade.changed == deployment.changed else State.INITIALIZING


def _upgrade(site: Site, deployment: Deployment, revision: Revision, status: DeploymentStatus | None) -> UpgradeView | None:
    upgrade = deployment.upgrade
    if upgrade is None:
        return None
    progress = progress_of(deployment, None if status is None else status.progress) or Progress(upgrade.changed)
    after = revision.spec.confirm_after_ms
    pause = timedelta(seconds=site.confirm_after) if after is None else timedelta(milliseconds=after)
    return UpgradeView(
        base=upgrade.base,
        since=upgrade.since,
        complete=progress.complete,
        failed=progress.failure,
        on_failure=upgrade.on_failure,
        confirm_at=progress.complete + pause if progress.complete and pause and progress.failure is None else None,
    )


def removed_view(last: StackView) -> StackView:
    """What a watcher gets when the stack it looked at is gone for good."""
    return _signed(
        replace(last, state=State.REMOVED, detail="", settled=True, urls=(), services=(), containers=(), upgrade=None, token="")
    )


_JSON = TypeAdapter(StackView)
"""Ten times as fast as the canonical form, which a token that no store keeps has no need of."""


def _signed(view: StackView) -> StackView:
    return replace(view, token=hashlib.sha256(_JSON.dump_json(view)).hexdigest()[:16])


def _service(site: Site, deployment: Deployment, spec: ServiceSpec, status: ServiceStatus | None) -> ServiceView:
    if status is None:
        wanted = 0 if deployment.wish(spec.name).stopped or spec.schedule is not None else spec.replicas
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
        kept=status.kept,
    )
