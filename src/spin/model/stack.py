"""StackSpec: what a Compose file comes to, normalised and frozen.

Sequences are tuples and mappings are sorted tuples of pairs, so that equal stacks are equal values with equal digests. Times are
milliseconds (`_ms`), sizes bytes (`_bytes`). `None` means "not said": the image or the site decides.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum

from spin.kit.canonical import digest


class Protocol(Enum):
    TCP = "tcp"
    UDP = "udp"


class Condition(Enum):
    """What a dependency must have reached before the dependent starts (Compose: `depends_on.condition`)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class Restart(Enum):
    """Compose: `restart`."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class UpdateOrder(Enum):
    """Which comes first when a container is replaced."""

    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


class FailureAction(Enum):
    """What becomes of an upgrade whose new containers fail (Compose: `deploy.update_config.failure_action`)."""

    PAUSE = "pause"
    """It stops; the old containers serve on, or again; a person decides."""
    CONTINUE = "continue"
    """It goes on, and tries again what failed."""
    ROLLBACK = "rollback"
    """The last confirmed revision runs again."""


@dataclass(frozen=True, slots=True)
class Update:
    """How containers are replaced (Compose: `deploy.update_config`, with its defaults)."""

    parallelism: int = 1
    """How many at a time; 0 = all at once."""
    delay_ms: int = 0
    """Between one group and the next."""
    failure_action: FailureAction | None = None
    """None: as the environment, or the person who asks, says."""
    monitor_ms: int = 0
    """How long a new container is watched after it has become ready, before it counts."""
    max_failure_ratio: float = 0.0
    """Up to this part of the containers may fail without the upgrade failing."""
    order: UpdateOrder | None = None
    """None: as `ServiceSpec.update_order` finds it safe."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image: `reference` as a registry knows it (host/repository:tag), `digest` (`sha256:…`) once admission has resolved it."""

    reference: str
    digest: str | None = None

    @property
    def pinned(self) -> str:
        """`host/repository@digest`: what engines pull. Raises ValueError before admission has set the digest."""
        if self.digest is None:
            raise ValueError(f"{self.reference} is not resolved to a digest")
        return f"{self.repository}@{self.digest}"

    @property
    def repository(self) -> str:
        """The reference without tag and digest."""
        name = self.reference.partition("@")[0]
        head, colon, tail = name.rpartition(":")
        return head if colon and "/" not in tail else name


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the containers that is published on the engine's host."""

    target: int
    published: int
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True)
class Http:
    """The port on which the service speaks HTTP, reached through the edge; `hosts` are names beside the one every stack has."""

    port: int
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """A named volume in a container."""

    volume: str
    target: str
    read_only: bool = False
    nocopy: bool = False


@dataclass(frozen=True, slots=True)
class Bind:
    """A path of one of the site's filesystems in a container. `source` is absolute and normal (`spin.kit.paths`)."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Tmpfs:
    target: str
    size_bytes: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    executable: bool = False
    """Whether programs in it may be run."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A config or secret as a file in a container. `target` is an absolute path."""

    source: str
    target: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class Attachment:
    """A network that the containers join, with further names for the service there."""

    network: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    service: str
    condition: Condition = Condition.STARTED
    required: bool = True


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Docker's health check; `test` in Docker's form (`CMD`, … or `CMD-SHELL`, one string, or `NONE`).

    Without `test` it is the image's own, with other times: then nought means as the image says, for each of the numbers.
    """

    test: tuple[str, ...]
    interval_ms: int = 30_000
    timeout_ms: int = 30_000
    retries: int = 3
    start_period_ms: int = 0
    start_interval_ms: int | None = None


IMAGES_OWN = Healthcheck((), interval_ms=0, timeout_ms=0, retries=0)
"""The image's own health check, as it is: the same as none in the file."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits and reservations for each container (Compose: `deploy.resources`)."""

    cpus: float | None = None
    memory_bytes: int | None = None
    pids: int | None = None
    reserved_cpus: float | None = None
    reserved_memory_bytes: int | None = None


class Overlap(Enum):
    """What becomes of a run that is due while another of the same job goes on."""

    SKIP = "skip"
    """It is left out, and recorded as skipped."""
    REPLACE = "replace"
    """The one that goes on is ended first."""
    ALLOW = "allow"
    """Both run."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a service runs as a job (`x-spin.schedule` and what stands beside it)."""

    times: str
    """Cron's five fields, in UTC, in the plain form of `spin.kit.cron.check`."""
    overlap: Overlap = Overlap.SKIP
    timeout_ms: int | None = None
    """How long a run may take; None: as long as it likes."""
    keep: int = 3
    """How many containers of runs that have ended stay, for a look."""


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A limit of the kernel for each process (Compose: `ulimits`). -1 = unlimited."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Resolver:
    """How containers resolve names that are none of the stack's (Compose: `dns`, `dns_search`, `dns_opt`)."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service. All but `replicas`, `depends_on`, `http.hosts`, `update` and `schedule` shapes the containers: see
    `template_digest`."""

    name: str
    image: Image
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    group_add: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    read_only: bool = False
    init: bool = False
    working_dir: str | None = None
    hostname: str | None = None
    stop_signal: str | None = None
    stop_grace_ms: int = 10_000
    restart: Restart = Restart.UNLESS_STOPPED
    restart_limit: int = 0
    """How often Docker tries again under ON_FAILURE; 0 = without end."""
    healthcheck: Healthcheck | None = None
    ports: tuple[Port, ...] = ()
    expose: tuple[int, ...] = ()
    http: Http | None = None
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    secrets: tuple[Grant, ...] = ()
    configs: tuple[Grant, ...] = ()
    networks: tuple[Attachment, ...] = (Attachment("default"),)
    depends_on: tuple[Dependency, ...] = ()
    resources: Resources = Resources()
    replicas: int = 1
    update: Update = Update()
    retain_ip: bool = False
    """The service keeps its address while its containers change; a stable service address does it without this."""
    binds: tuple[Bind, ...] = ()
    tty: bool = False
    stdin_open: bool = False
    domainname: str | None = None
    shm_bytes: int | None = None
    """Size of /dev/shm; None: the engine's 64 MiB."""
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    """(name, address) in /etc/hosts."""
    dns: Resolver = Resolver()
    platform: str | None = None
    """`os/architecture[/variant]` that the image is for; shapes nothing, but must be the engine's."""
    schedule: Schedule | None = None
    """It runs as a job: no containers of its own, one for each run. None: it runs all the time, or once."""

    @property
    def alone(self) -> bool:
        """Two copies must not run at once: it writes a volume, or holds a port of the host."""
        return bool(self.ports) or any(not m.read_only for m in self.mounts)

    @property
    def update_order(self) -> UpdateOrder:
        """STOP_FIRST where two copies must not run at once, whatever the file asks for; else what it asks for, or START_FIRST.

        Shared filesystems are made for many writers, but a program that keeps a database of its own there is not: where a service
        writes to one, the file has to ask for START_FIRST.
        """
        if self.alone:
            return UpdateOrder.STOP_FIRST
        writes = any(not b.read_only for b in self.binds)
        return self.update.order or (UpdateOrder.STOP_FIRST if writes else UpdateOrder.START_FIRST)


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the stack. `internal`: no way out of it."""

    name: str
    internal: bool = False
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume of the stack. Kept when the stack is removed, unless its removal is asked for."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """A config's content. Not secret: shown, compared and exported."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret that the stack uses: `name` in the Compose file, `stored` in the store (`<stack>.<name>`, or as `external` says)."""

    name: str
    stored: str
    external: bool = False


@dataclass(frozen=True, slots=True)
class StackSpec:
    """The whole stack. Tuples are sorted by name."""

    services: tuple[ServiceSpec, ...]
    networks: tuple[Network, ...] = (Network("default"),)
    volumes: tuple[Volume, ...] = ()
    configs: tuple[Config, ...] = ()
    secrets: tuple[SecretRef, ...] = ()
    confirm_after_ms: int | None = None
    """An upgrade that has been healthy for this long is confirmed by itself; None: as the site says."""
    tags: tuple[tuple[str, str], ...] = ()
    """Whose it is and what it needs: owner, staff_owner, group, staff_group, fqdn, requires, and what the site adds. Sorted."""

    @property
    def digest(self) -> str:
        return digest(self)

    def service(self, name: str) -> ServiceSpec | None:
        return next((s for s in self.services if s.name == name), None)

    def with_service(self, changed: ServiceSpec) -> StackSpec:
        """This stack with the service of that name exchanged."""
        return replace(self, services=tuple(changed if s.name == changed.name else s for s in self.services))


_LATER = frozenset(
    ("retain_ip", "binds", "tty", "stdin_open", "domainname", "shm_bytes", "ulimits", "sysctls", "extra_hosts", "dns", "platform")
)
"""Fields of ServiceSpec that were added after containers had been made: with its default, such a field counts as not there."""


def template_digest(
    spec: StackSpec, service: ServiceSpec, secret_versions: tuple[tuple[str, int], ...], restart_nonce: int = 0
) -> str:
    """Digest of all that shapes a container of `service`; two containers with the same one are interchangeable.

    `secret_versions` are the revision's (stored name, version) pairs. The number of replicas, the order of starting and the host
    names do not change containers, so they are left out: scaling never replaces a container. Nor does another tag for the same
    image: once it is resolved, only its digest counts.
    """
    versions = dict(secret_versions)
    stored = {s.name: s.stored for s in spec.secrets}
    configs = {c.name: c.content for c in spec.configs}
    networks = {n.name: n for n in spec.networks}
    http = None if service.http is None else replace(service.http, hosts=())
    image = service.image if service.image.digest is None else Image("", service.image.digest)
    neutral = replace(service, image=image, replicas=1, depends_on=(), http=http, platform=None)
    shape = {f.name: getattr(neutral, f.name) for f in fields(neutral) if f.name not in ("update", "schedule")}
    for field in fields(neutral):
        if field.name in _LATER and shape[field.name] == field.default:
            del shape[field.name]  # so that a container from before this field was known is still current
    if service.schedule is not None:
        shape["job"] = True  # a run is never taken for a container of the service that it was before; when it runs shapes nothing
    return digest(
        {
            "service": shape,
            "configs": {g.source: configs.get(g.source) for g in service.configs},
            "secrets": {g.source: versions.get(stored.get(g.source, g.source)) for g in service.secrets},
            "networks": [networks.get(a.network) for a in service.networks],
            "restart": restart_nonce,
        }
    )
