"""What a picture of a stack shows, whatever it is drawn with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from spin.kit.text import plain
from spin.model.names import service_host
from spin.model.stack import Condition, ServiceSpec, StackSpec
from spin.site import PortClass, Site

EDGE = "edge"
"""The way in through the platform's reverse proxy; the other ways in are the site's classes of ports."""
NO_CLASS = "no class"
"""Published, but in no class of the site: `spin up` refuses it."""
ANY = "any"
"""No port is named (`expose`): whatever the containers listen on is reached."""
TIMES = "\N{MULTIPLICATION SIGN}"
_NAME = 80
_HOST = 253


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file does not say: where the stack runs, and which ports the site lets out."""

    stack: str
    environment: str
    domain: str
    edge_port: int
    port_classes: tuple[PortClass, ...]

    @classmethod
    def of_site(cls, stack: str, environment: str, site: Site) -> Surroundings:
        return cls(stack, environment, site.domain, site.edge_port, site.port_classes)


@dataclass(frozen=True, slots=True)
class PublicPort:
    """Something that is reached from outside the stack."""

    service: str
    way: str
    """EDGE, the name of the site's class, or NO_CLASS."""
    reach: str
    """Who can reach it, for people."""
    published: str
    """The host name's URL, or the port on the engine's host with its protocol."""
    target: str
    """Port in the containers, with its protocol."""


@dataclass(frozen=True, slots=True)
class PrivatePort:
    """A port that only services on a common network reach."""

    service: str
    port: str
    """With its protocol; ANY for a service of which the file names none."""
    networks: tuple[str, ...]
    callers: tuple[str, ...]
    """The services on any of these networks, without the service itself."""


P = TypeVar("P", PublicPort, PrivatePort)


@dataclass(frozen=True, slots=True)
class Use:
    """A volume, secret or config in a service."""

    name: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Need:
    """A service that must be there before (Compose: `depends_on`)."""

    service: str
    condition: str
    """`started`, `healthy` or `completed`."""


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    image: str
    replicas: int
    networks: tuple[str, ...]
    needs: tuple[Need, ...]
    volumes: tuple[Use, ...]
    secrets: tuple[Use, ...]
    configs: tuple[Use, ...]
    schedule: str = ""
    """When it runs, of a job: cron's five fields, in UTC."""

    @property
    def badge(self) -> str:
        """How many there are of it; or when it runs, such as `15 3 * * * UTC`."""
        return f"{self.schedule} UTC" if self.schedule else f"{TIMES}{self.replicas}"


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    internal: bool
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """All texts are on one line, without control characters, and bounded; each form still escapes them for itself."""

    stack: str
    environment: str
    services: tuple[Service, ...]
    """Those that nobody needs first, then what they need: a service comes after all that need it."""
    networks: tuple[Network, ...]
    volumes: tuple[str, ...]
    secrets: tuple[str, ...]
    configs: tuple[str, ...]
    public: tuple[PublicPort, ...]
    private: tuple[PrivatePort, ...]

    def public_of(self) -> Mapping[str, list[PublicPort]]:
        """By service; one without any has none."""
        return _grouped(self.public)

    def private_of(self) -> Mapping[str, list[PrivatePort]]:
        """The private ports that have a number, by service."""
        return _grouped(p for p in self.private if p.port != ANY)

    @property
    def title(self) -> str:
        return f"{self.stack} in {self.environment}"


def _grouped(ports: Iterable[P]) -> Mapping[str, list[P]]:
    found: defaultdict[str, list[P]] = defaultdict(list)
    for port in ports:
        found[port.service].append(port)
    return found


_CONDITIONS = {Condition.STARTED: "started", Condition.HEALTHY: "healthy", Condition.COMPLETED: "completed"}


def picture(spec: StackSpec, around: Surroundings) -> Picture:
    """The picture of `spec`. Costs no more than its size: services times networks at most."""
    members: dict[str, list[str]] = {n.name: [] for n in spec.networks}
    for s in spec.services:
        for attachment in s.networks:
            members.setdefault(attachment.network, []).append(s.name)
    ordered = _ordered(spec.services)
    joined = [n for n in spec.networks if members[n.name]]
    return Picture(
        stack=plain(around.stack, _NAME),
        environment=plain(around.environment, _NAME),
        services=tuple(_service(s) for s in ordered),
        networks=tuple(Network(plain(n.name, _NAME), n.internal, _names(members[n.name])) for n in joined),
        volumes=_names(v.name for v in spec.volumes),
        secrets=_names(s.name for s in spec.secrets),
        configs=_names(c.name for c in spec.configs),
        public=tuple(port for s in ordered for port in _public(s, around)),
        private=tuple(port for s in ordered for port in _private(s, members)),
    )


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(plain(name, _NAME) for name in names)


def _service(s: ServiceSpec) -> Service:
    needs = sorted(s.depends_on, key=lambda d: d.service)
    return Service(
        name=plain(s.name, _NAME),
        image=plain(s.image.reference.removeprefix("docker.io/").removeprefix("library/"), _HOST),
        replicas=s.replicas,
        networks=_names(a.network for a in s.networks),
        needs=tuple(Need(plain(d.service, _NAME), _CONDITIONS[d.condition]) for d in needs),
        volumes=tuple(Use(plain(m.volume, _NAME), plain(m.target), m.read_only) for m in s.mounts),
        secrets=tuple(Use(plain(g.source, _NAME), plain(g.target), read_only=True) for g in s.secrets),
        configs=tuple(Use(plain(g.source, _NAME), plain(g.target), read_only=True) for g in s.configs),
        schedule="" if s.schedule is None else plain(s.schedule.times, _NAME),
    )


def _ordered(services: Iterable[ServiceSpec]) -> list[ServiceSpec]:
    """Dependents before what they depend on, else by name. A cycle, which admission refuses, is cut at its first name."""
    known = {s.name: s for s in services}
    needed_by = dict.fromkeys(known, 0)
    for s in known.values():
        for need in s.depends_on:
            if need.service in known:
                needed_by[need.service] += 1
    found: list[ServiceSpec] = []
    waiting = sorted(known, reverse=True)
    ready = [name for name in waiting if not needed_by[name]]
    done: set[str] = set()
    while len(found) < len(known):
        if not ready:
            ready = [next(name for name in reversed(waiting) if name not in done)]
        name = ready.pop()
        if name in done:
            continue
        done.add(name)
        found.append(known[name])
        for need in sorted(known[name].depends_on, key=lambda d: d.service, reverse=True):
            if need.service in known:
                needed_by[need.service] -= 1
                if not needed_by[need.service]:
                    ready.append(need.service)
    return found


def _public(s: ServiceSpec, around: Surroundings) -> list[PublicPort]:
    found = []
    name = plain(s.name, _NAME)
    if s.http is not None:
        standard = service_host(around.stack, around.environment, s.name, around.domain)
        tail = "" if around.edge_port == 80 else f":{around.edge_port}"
        for host in (standard, *(h for h in s.http.hosts if h != standard)):
            url = f"http://{plain(host, _HOST)}{tail}/"
            found.append(PublicPort(name, EDGE, "whoever reaches the site's edge", url, f"{s.http.port}/tcp"))
    for port in s.ports:
        named = next((c for c in around.port_classes if port.published in c), None)
        way, reach = (named.name, named.reach) if named else (NO_CLASS, "nobody: the site publishes no such port")
        protocol = port.protocol.value
        found.append(
            PublicPort(name, plain(way, _NAME), plain(reach), f"{port.published}/{protocol}", f"{port.target}/{protocol}")
        )
    return found


def _private(s: ServiceSpec, members: Mapping[str, list[str]]) -> list[PrivatePort]:
    """Every port that the file names is reached inside the stack too, by its number in the containers."""
    ports = {(port, "tcp") for port in s.expose} | {(p.target, p.protocol.value) for p in s.ports}
    if s.http is not None:
        ports.add((s.http.port, "tcp"))
    named = [f"{port}/{protocol}" for port, protocol in sorted(ports)] or [ANY]
    networks = _names(a.network for a in s.networks)
    callers = _names(sorted({name for a in s.networks for name in members[a.network]} - {s.name}))
    return [PrivatePort(plain(s.name, _NAME), port, networks, callers) for port in named] if networks else []


def who(names: tuple[str, ...], most: int = 5) -> str:
    """The callers in words: all names of a few, else how many they are."""
    if not names:
        return "nobody else"
    return ", ".join(names) if len(names) <= most else f"all {len(names)} other services there"
