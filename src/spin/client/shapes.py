"""What the API's JSON looks like, for the type checker. Nothing is checked while running: unknown keys are simply there."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class EnvironmentName(TypedDict):
    name: str
    description: str


class PortClassView(TypedDict):
    name: str
    reach: str
    ports: list[str]


class SiteView(TypedDict):
    version: str
    domain: str
    registry: str
    """Host and port of the registry, as they stand in image references."""
    edge_port: int
    environments: list[EnvironmentName]
    port_classes: list[PortClassView]


class Membership(TypedDict):
    name: str
    role: str | None
    """One's own role; None for an operator who is no member."""


class IdentityView(TypedDict):
    """Numbers on the site's filesystems."""

    uid: int
    gid: int
    gids: list[int]


class RuleView(TypedDict):
    code: str
    severity: str
    """On this site: refuse, warn, advise or off."""
    title: str
    page: str
    """Path of the rule's page on the server."""


class WhoAmI(TypedDict):
    user: str
    operator: bool
    projects: list[Membership]
    key: str | None
    identity: IdentityView | None


class EnvironmentView(TypedDict):
    name: str
    description: str
    engine: str
    reachable: bool
    version: str
    detail: str
    stacks: int


class UserView(TypedDict):
    name: str
    operator: bool
    created: str
    identity: IdentityView | None


class ProjectView(TypedDict):
    name: str
    role: str | None
    """One's own role; None for an operator who is no member."""


class MemberView(TypedDict):
    user: str
    role: str


class AccountView(TypedDict):
    """A collaboration account."""

    name: str
    identity: IdentityView


class KeyView(TypedDict):
    id: str
    name: str
    user: str
    created: str
    expires: str | None
    last_used: str | None


class NewKey(TypedDict):
    id: str
    name: str
    key: str
    """The key's text; shown this once."""
    expires: str | None


class FindingView(TypedDict):
    """JSON form of `spin.model.finding.Finding`."""

    rule: str
    severity: Literal["refuse", "warn", "advise"]
    message: str
    instead: str
    service: str | None
    key: str | None
    position: str | None


class KeyChange(TypedDict):
    key: str
    old: Any
    new: Any


class PartChange(TypedDict):
    name: str
    action: Literal["add", "change", "remove", "unchanged"]
    keys: list[KeyChange]


class Change(TypedDict):
    name: str
    action: Literal["add", "change", "remove", "unchanged"]
    replaces: bool
    """The containers are replaced; else only their number changes."""
    keys: list[KeyChange]


class ChangesView(TypedDict):
    services: list[Change]
    networks: list[PartChange]
    volumes: list[PartChange]
    stack: list[KeyChange]
    """Keys of the stack itself."""


class Preview(TypedDict):
    changes: ChangesView
    findings: list[FindingView]
    empty: bool
    generation: int
    """Of the stack that the preview was made for; 0 where there is none yet."""


class Accepted(TypedDict):
    project: str
    environment: str
    stack: str
    generation: int
    revision: int
    changes: ChangesView
    findings: list[FindingView]
    base: int | None
    """The confirmed revision, where the change is part of an upgrade that has to be confirmed."""


class CheckView(TypedDict):
    findings: list[FindingView]
    ok: bool


class ServiceView(TypedDict):
    name: str
    state: str
    ready: int
    wanted: int
    detail: str
    image: str
    digest: str | None
    urls: list[str]
    ports: list[str]


class ContainerView(TypedDict):
    name: str
    id: str
    service: str
    slot: int
    phase: str
    since: str
    current: bool
    routed: bool
    address: str | None
    restarts: int
    detail: str
    image: str
    kept: bool
    """Not wanted now, but kept until the upgrade is confirmed."""


class FailureView(TypedDict):
    """Why an upgrade has stopped."""

    service: str
    reason: str
    when: str
    log: list[str]
    held: list[str]


class UpgradeView(TypedDict):
    base: int
    since: str
    complete: str | None
    failed: FailureView | None
    on_failure: str | None
    confirm_at: str | None


class StackView(TypedDict):
    project: str
    environment: str
    stack: str
    state: str
    detail: str
    generation: int
    revision: int
    origin: str
    author: str
    tags: dict[str, str]
    """Whose the stack is and what it needs."""
    note: str
    """Of a rollback that nobody asked for: the reason, and below it the last log lines."""
    created: str | None
    changed: str | None
    token: str
    """Changes whenever anything else in this view does."""
    settled: bool
    upgrade: UpgradeView | None
    """None where nothing has to be confirmed."""
    urls: list[str]
    services: list[ServiceView]
    containers: list[ContainerView]


class RevisionView(TypedDict):
    number: int
    origin: str
    author: str
    created: str
    note: str
    desired: bool
    confirmed: bool
    changed: list[str]


class DifferenceView(TypedDict):
    old: int
    """0: nothing, where the stack has only one revision."""
    new: int
    changes: ChangesView


class RunView(TypedDict):
    """One run of a job."""

    service: str
    number: int
    state: str
    """`waiting`, `running`, `succeeded`, `failed`, `timed-out`, `stopped`, `skipped` or `missed`."""
    reason: str
    """`schedule` or `manual`."""
    by: str
    """Who asked for a manual one."""
    scheduled: str | None
    """The time of the schedule that it is for; of those that were skipped or missed in a row, the last."""
    wanted: str
    """When it was recorded as due, or asked for."""
    started: str | None
    ended: str | None
    exit_code: int | None
    detail: str
    revision: int
    times: int
    """Skipped or missed: how many in a row."""
    logs: bool
    """Whether its container is still there, with what it has written."""


class JobView(TypedDict):
    """A service with a schedule."""

    environment: str
    stack: str
    service: str
    schedule: str
    """Five fields as cron has them, in UTC."""
    overlap: str
    timeout_ms: int | None
    keep: int
    stopped: bool
    next: str | None
    """None where it is stopped."""
    running: int
    """Runs that go on, or wait to begin."""
    last: RunView | None
    """The newest run that has ended, was skipped or missed."""


class ExportView(TypedDict):
    files: dict[str, str]
    missing_secrets: list[str]


class LogLineView(TypedDict):
    instance: str
    id: str
    time: str
    """RFC 3339 with nanoseconds, UTC."""
    stream: str
    text: str
    bytes: str | None
    """Base64 of the line where it is not UTF-8, and `text` therefore not the whole truth."""


class FileView(TypedDict):
    container: str
    service: str
    slot: int
    name: str
    size: int
    mode: int
    kind: str
    target: str


class SecretView(TypedDict):
    name: str
    version: int
    author: str
    created: str


class VolumeView(TypedDict):
    environment: str
    stack: str
    name: str
    engine_name: str
    created: str | None
    used_by: list[str]


class CallerView(TypedDict):
    address: str
    agent: str
    key: str | None
    request: str


class EventView(TypedDict):
    number: int
    time: str
    kind: str
    text: str
    actor: str
    verb: str
    cause: str
    project: str | None
    environment: str | None
    stack: str | None
    service: str | None
    container: str | None
    revision: int | None
    code: str | None
    caller: CallerView | None


class StatsView(TypedDict):
    """What one container uses now."""

    stack: str
    service: str
    slot: int
    name: str
    id: str
    time: str
    cpu: float | None
    """Cores, on average over `seconds`."""
    cpu_limit: float
    """Cores."""
    seconds: float
    throttled: float
    """Part of the time that it worked in which it wanted more processor time than its limit."""
    memory: int
    """Bytes, without what the kernel may take from it at any time."""
    memory_limit: int
    """Bytes; 0 = none."""
    received: int
    """Bytes over its networks since it was started."""
    sent: int
    read: int
    """Bytes from block devices since it was started."""
    written: int
    pids: int


class UsageView(TypedDict):
    """What a service used in a step of time."""

    service: str
    start: str
    seconds: int
    """Length of the step."""
    containers: int
    """How many there were at a time, at most."""
    cpu_avg: float
    """Cores of one container; `cpu_min` and `cpu_max` are averages of a minute."""
    cpu_min: float
    cpu_max: float
    cpu_limit: float
    throttled: float
    """As in StatsView."""
    memory_avg: int
    """Bytes of one container."""
    memory_min: int
    memory_max: int
    memory_limit: int
    received: int
    """Bytes in this step, of all containers together; so `sent`, `read` and `written`."""
    sent: int
    read: int
    written: int
    failed: int
    """Answers with status 5xx that visitors got through the edge."""


class MisfitView(TypedDict):
    """A limit that does not fit."""

    resource: str
    """`memory` or `cpus`."""
    verdict: str
    """`above`: far more than is used; `below`: too little."""
    limit: str
    peak: str
    write: str
    """What to write at `deploy.resources.limits`."""
    message: str


class AdviceView(TypedDict):
    """What the remembered use says of one service's limits."""

    service: str
    hours: float
    """How much is remembered."""
    enough: bool
    """It is enough for advice."""
    misfits: list[MisfitView]


class EntryView(TypedDict):
    """One thing on a stack's time-line."""

    time: str
    source: str
    """`revision`, `change`, `state`, `container`, `step`, `failure`, `probe`, `engine`, `edge` or `log`."""
    text: str
    service: str | None
    container: str | None
    cause: str
    actor: str
    """Who asked for it; empty where nobody did."""
    revision: int | None


class ExplanationView(TypedDict):
    """What is wrong, since when, and what changed just before."""

    sentence: str
    """Times in it are UTC."""
    well: bool
    """Nothing is wrong and nothing is under way."""
    state: str
    """`gone` where there is none any more, `unknown` where it was never seen."""
    since: str | None
    change: EntryView | None
    """What came last before it became so."""
    timeline: list[EntryView]
    """The oldest first."""
