"""The site file `spin.toml`: the operators' rules. Every value has a default, so that no file at all is a working site.

The reference in docs/reference/site-file.md is generated from the docstrings below.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_origin, get_type_hints

from spin.errors import InvalidInput
from spin.kit.paths import is_below, normal_path


@dataclass(frozen=True, slots=True)
class PortClass:
    """A class of ports that may be published outside a stack (DOMAIN: Rules). A port in no class is refused."""

    name: str
    """Such as `public`, `institution`, `site`."""
    reach: str
    """Who can reach it, for messages."""
    ports: tuple[str, ...]
    """Single ports and ranges: `"8080"`, `"60000-60050"`."""
    address: str = "127.0.0.1"
    """Address of the engine's host on which these ports are published."""

    def __contains__(self, port: int) -> bool:
        for text in self.ports:
            low, _, high = text.partition("-")
            if int(low) <= port <= int(high or low):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment and the engine that carries it."""

    name: str
    """Part of every host name of its stacks."""
    engine: str = "docker"
    """Kind of engine."""
    description: str = ""
    """For people."""
    rollback_on_failure: bool = False
    """An upgrade that fails is rolled back by itself, unless the file or the person who asks says otherwise; else it stops."""
    reviewed: bool = False
    """What rules leave to the operators (authentication services, heavy computation) is refused here, unless an operator asks; elsewhere it
    is a warning."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A shared filesystem of the site that stacks may mount by path (`/global/cfs/…:/data:ro`), under the rules `filesystem-…`."""

    name: str
    """For messages, such as `cfs`."""
    path: str
    """Where it is mounted on the engine's host, such as `/global/cfs`."""
    description: str = ""
    """For people."""
    environments: tuple[str, ...] = ()
    """Environments whose engines have it; none named = all."""
    read_only: bool = False
    """It can be mounted read-only alone."""
    homes: tuple[str, ...] = ()
    """Directories of it, such as `/global/cfs/home`, in which home directories lie: nothing of them is mounted."""
    root_squash: bool = True
    """The engine, though it is root, is nobody there, as usual with NFS and GPFS: a mount fails unless everybody may pass each directory
    above it (the execute bit for others)."""

    def has(self, path: str) -> bool:
        """Whether that normal path lies on it."""
        return is_below(path, self.path)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one container gets when its Compose file does not say, and what one stack may ask for at most."""

    memory_bytes: int = 2 * 1024**3
    """Default memory limit of a container, bytes."""
    cpus: float = 2.0
    """Default CPU limit of a container, cores."""
    pids: int = 512
    """Default limit of processes in a container."""
    most_memory_bytes: int = 64 * 1024**3
    """Most memory that a container may ask for, bytes."""
    most_open_files: int = 1024**2
    """Most open files that a process may ask for (`ulimits.nofile`)."""
    most_pids: int = 4096
    """Most processes that a container may ask for."""
    most_stop_seconds: int = 3600
    """Longest time that a container may take to stop (`stop_grace_period`), seconds."""
    stack_memory_bytes: int = 1024**4
    """Most memory that the containers of one stack may ask for together (their limits, times replicas), bytes; 0 = any."""
    stack_cpus: float = 1024.0
    """Most CPUs that the containers of one stack may ask for together, cores; 0 = any."""
    log_bytes: int = 10 * 1024**2
    """Size at which a container's log file is rotated, bytes."""
    log_files: int = 3
    """Rotated log files that are kept."""
    replicas: int = 20
    """Most replicas of one service."""
    stacks: int = 200
    """Most stacks of one project in one environment: each takes subnets, names and rows, which all projects share."""
    services: int = 50
    """Most services of one stack."""
    networks: int = 16
    """Most networks of one stack; each takes a subnet."""
    idle_seconds: int = 86400
    """A terminal, pipe or forwarded connection on which nothing has moved for this long is ended, seconds; 0 = never."""
    run_seconds: int = 86400
    """A one-off container (`spin run`) is ended after this time, seconds; 0 = never."""
    streams: int = 500
    """Most terminals, pipes and forwarded connections at a time on the whole site."""
    streams_of_person: int = 200
    """Most of them of one person."""
    progress_seconds: int = 600
    """An upgrade in which nothing has moved for this long has failed, seconds."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what happened is remembered."""

    events_days: int = 30
    """Events of stacks (`spin events`) are forgotten after so many days."""
    events_per_stack: int = 2000
    """Of one stack so many events are kept at most, the newest."""
    audit_days: int = 365
    """What people asked for (`spin audit`), accepted or refused, is forgotten after so many days."""
    usage_hours: int = 24
    """What services used (`spin stats --history`, `--advice`) is forgotten after so many hours; a day of one service takes some 50 KB."""
    log_days: int = 14
    """Logs of containers that have been removed are kept for so many days."""
    log_bytes_per_stack: int = 64 * 1024**2
    """Of one stack's removed containers so many bytes of logs are kept at most, compressed, the newest."""
    log_bytes: int = 4 * 1024**3
    """So many bytes of removed containers' logs are kept at most of the whole site, compressed, the newest."""


@dataclass(frozen=True, slots=True)
class Site:
    """The site."""

    id: str = "spin"
    """Marks everything this site creates on an engine; a second platform on the same engine needs another."""
    domain: str = "spin.localhost"
    """Stacks are served at `<service>.<stack>.<environment>.<domain>`. Names below `localhost` need no DNS."""
    address: str = "127.0.0.1"
    """Address on which API, registry and edge listen."""
    api_port: int = 7070
    """Port of the API."""
    edge_port: int = 8080
    """Port of the edge (HTTP)."""
    registry_port: int = 5000
    """Port of the registry."""
    subnets: str = "10.208.0.0/14"
    """Range from which each stack's networks get their subnets. Choose one that nothing else in the institution uses."""
    subnet_prefix: int = 25
    """Prefix length of each subnet. Half of it is for the services' stable addresses, where there are any: /25 has room for 62
    containers and 63 services on one network, /29 for 2 and 3."""
    service_addresses: bool = True
    """Give each service a stable address, where the platform may change the host's nftables."""
    least_uid: int = 1000
    """Smallest uid that a user or a collaboration account can have: those below are the system's own (Debian begins at 1000)."""
    least_gid: int = 1000
    """Groups with a smaller gid are the images' own (`nginx` is 101), which any service may add (`group_add`). From here on they are
    people's and projects'. Where people share a lower group, such as 100, write that."""
    confirm_after: int = 0
    """An upgrade that has been healthy for this many seconds is confirmed by itself; 0 = a person confirms."""
    image_sources: tuple[str, ...] = ("docker.io",)
    """Registries other than the site's own from which images may come."""
    environments: tuple[Environment, ...] = (
        Environment("development", description="try things"),
        Environment("production", description="what people rely on", rollback_on_failure=True),
        Environment("sandbox", description="training and throw-away stacks"),
    )
    """The environments, in the order of `spin environment ls`. The first is the CLI's default."""
    port_classes: tuple[PortClass, ...] = (
        PortClass("public", "everyone", ("8080", "8443", "60000-60050")),
        PortClass(
            "institution",
            "the institution's networks",
            ("3128", "3306", "4873", "5432", "5984", "8008", "27017", "55000-55100"),
        ),
        PortClass("site", "the site's own networks", ("5672", "8081", "50000-50050")),
    )
    """Classes of publishable ports; 80 and 443 always go through the edge."""
    filesystems: tuple[Filesystem, ...] = ()
    """Shared filesystems that stacks may mount. Without one, no path of the host is mounted."""
    limits: Limits = field(default_factory=Limits)
    """Defaults and ceilings."""
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rules that are not as they come, by code: how severe they are, and their numbers and lists."""
    retention: Retention = field(default_factory=Retention)
    """How long what happened is remembered."""

    def environment(self, name: str) -> Environment | None:
        return next((e for e in self.environments if e.name == name), None)

    def filesystem(self, path: str) -> Filesystem | None:
        """The filesystem on which that normal path lies."""
        return next((f for f in self.filesystems if f.has(path)), None)

    def port_class(self, port: int) -> PortClass | None:
        return next((c for c in self.port_classes if port in c), None)

    @property
    def registry_host(self) -> str:
        """Host and port as they stand in image references."""
        return f"localhost:{self.registry_port}"

    @property
    def api_url(self) -> str:
        return f"http://{self.address}:{self.api_port}"


def parse_site(text: str, source: str = "spin.toml") -> Site:
    """The site described by TOML `text`, but for its `rules`, which `spin.rules.read_site` looks at.

    Raises InvalidInput naming the key (and `source`) for anything it does not know.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{source}: not valid TOML: {error}", file=source) from None
    site: Site = _build(Site, data, source, "")
    try:
        pool = ipaddress.IPv4Network(site.subnets)
    except ValueError as error:
        raise InvalidInput(f"{source}: subnets: {error}", file=source, key="subnets") from None
    if not pool.prefixlen <= site.subnet_prefix <= 29:
        raise InvalidInput(f"{source}: subnet_prefix: must be between {pool.prefixlen} and 29", file=source, key="subnet_prefix")
    _check_filesystems(site, source)
    return site


SYSTEM_PATHS = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib",
    "/var/run",
)
"""What is the host's own: never one of the site's filesystems."""


def is_system_path(path: str) -> bool:
    """Whether that normal path is the host's own, or holds what is."""
    return any(is_below(path, system) or is_below(system, path) for system in SYSTEM_PATHS)


def _check_filesystems(site: Site, source: str) -> None:
    environments = {e.name for e in site.environments}
    for index, filesystem in enumerate(site.filesystems):
        where, others = f"filesystems[{index}]", site.filesystems[:index]
        wrong = ""
        if normal_path(filesystem.path) != filesystem.path:
            wrong = f".path: an absolute path without `..` expected, such as /global/cfs, not {filesystem.path!r}"
        elif is_system_path(filesystem.path):
            wrong = f".path: {filesystem.path} holds what is the host's own; choose the directory that holds people's data"
        elif any(is_below(filesystem.path, o.path) or is_below(o.path, filesystem.path) for o in others):
            wrong = f".path: {filesystem.path} overlaps with another filesystem"
        elif any(filesystem.name == o.name for o in others):
            wrong = f".name: there are two of the name {filesystem.name!r}"
        elif unknown := [e for e in filesystem.environments if e not in environments]:
            wrong = f".environments: there is no environment {unknown[0]!r}"
        elif outside := [h for h in filesystem.homes if normal_path(h) != h or not filesystem.has(h)]:
            wrong = f".homes: an absolute path below {filesystem.path} expected, not {outside[0]!r}"
        if wrong:
            raise InvalidInput(f"{source}: {where}{wrong}", file=source, key=where + wrong.partition(":")[0])


def _build(kind: Any, data: Any, source: str, path: str) -> Any:
    if not isinstance(data, dict):
        raise InvalidInput(f"{source}: {path.rstrip('.')}: a table is expected here", file=source, key=path.rstrip("."))
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        where = f"{path}{key}"
        if key not in known:
            raise InvalidInput(f"{source}: {where}: unknown key; known here: {', '.join(sorted(known))}", file=source, key=where)
        values[key] = _value(hints[key], value, source, where)
    try:
        return kind(**values)
    except TypeError:
        needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
        missing = [name for name in needed if name not in values]
        raise InvalidInput(f"{source}: {path.rstrip('.')}: missing: {', '.join(missing)}", file=source, key=path) from None


def _value(hint: Any, value: Any, source: str, where: str) -> Any:
    if hint is bool:
        if not isinstance(value, bool):
            raise InvalidInput(f"{source}: {where}: true or false expected, not {value!r}", file=source, key=where)
        return value
    if hint in (str, int, float):
        good = isinstance(value, (int, float)) if hint is float else isinstance(value, hint)
        if not good or isinstance(value, bool):
            raise InvalidInput(f"{source}: {where}: {hint.__name__} expected, not {value!r}", file=source, key=where)
        return hint(value)
    if get_origin(hint) is Mapping:
        return _tables(value, source, where)
    arguments = getattr(hint, "__args__", None)
    if arguments is None:
        return _build(hint, value, source, where + ".")
    if not isinstance(value, list):
        raise InvalidInput(f"{source}: {where}: a list is expected", file=source, key=where)
    return tuple(_value(arguments[0], item, source, f"{where}[{i}]") for i, item in enumerate(value))


def _tables(value: Any, source: str, where: str) -> Mapping[str, Mapping[str, Any]]:
    """A table of tables, whose keys somebody else knows."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{source}: {where}: a table is expected here", file=source, key=where)
    found = {}
    for name, table in value.items():
        if not isinstance(table, dict):
            raise InvalidInput(f"{source}: {where}.{name}: a table is expected here", file=source, key=f"{where}.{name}")
        found[name] = {key: tuple(item) if isinstance(item, list) else item for key, item in table.items()}
    return found
