"""What leads to containers: host names at the edge and stable addresses inside the stack; what the tables say of a snapshot, and
what they should say next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spin.model.names import DeploymentKey, service_host
from spin.model.observed import Instance, Phase, Route, ServiceAddress, Snapshot, Tables
from spin.model.stack import ServiceSpec
from spin.model.steps import RouteTo, Step, Unroute
from spin.plan.desired import Desired, DesiredService
from spin.site import Site

_HOPELESS = 3
"""A container that has ended so often since it was made is not one to wait for."""


def hosts_of(key: DeploymentKey, service: ServiceSpec, domain: str) -> tuple[str, ...]:
    """The names at which the edge serves `service`: the one that every service with a public port has, then its own ones."""
    if service.http is None:
        return ()
    standard = service_host(key.stack, key.environment, service.name, domain)
    return (standard, *(h for h in service.http.hosts if h != standard))


def urls_of(key: DeploymentKey, service: ServiceSpec, domain: str, port: int = 80, scheme: str = "http") -> tuple[str, ...]:
    """The addresses to show to people. `port` is the one on which visitors reach the edge; a scheme's usual one is left out."""
    usual = {"http": 80, "https": 443}
    tail = "" if usual.get(scheme) == port else f":{port}"
    return tuple(f"{scheme}://{host}{tail}/" for host in hosts_of(key, service, domain))


def mark_routed(key: DeploymentKey, desired: Desired, snapshot: Snapshot, tables: Tables, site: Site) -> Snapshot:
    """`snapshot` with `routed` set on the instances to which any of the deployment's `tables` leads, and `reached` on those to which
    all of them do that should.
    """
    called = _Called(snapshot, tables.addresses)
    hosts = {s.name: frozenset(hosts_of(key, s.spec, site.domain)) for s in desired.services if not s.retired}
    known: frozenset[str] = frozenset().union(*hosts.values())

    def at_the_edge(i: Instance) -> bool:
        service = desired.service(i.service)
        own = hosts.get(i.service, frozenset())
        # A host that is not wanted any more may be any service's: its targets are told by their address alone.
        targets = {t for r in tables.routes if r.host in own or r.host not in known for t in r.targets}
        if i.address is None:
            return False
        if service is not None and service.spec.http is not None and i.digest == service.digest:
            return _target(i.address, service.spec.http.port) in targets
        return any(_address(t) == i.address for t in targets)

    def marked(i: Instance) -> Instance:
        service = desired.service(i.service)
        visited = at_the_edge(i)
        reached = service is not None and (visited or service.spec.http is None) and called.everywhere(str(key), service, i)
        return replace(i, routed=visited or called.anywhere(i), reached=reached)

    return replace(snapshot, instances=tuple(marked(i) for i in snapshot.instances))


class _Called:
    """What a table of service addresses says of instances."""

    def __init__(self, snapshot: Snapshot, addresses: Iterable[ServiceAddress]) -> None:
        self._snapshot = snapshot
        self._leads = {replace(a, targets=(), hold=False): frozenset(a.targets) for a in addresses}
        self._targets = {(a.network, t) for a in addresses for t in a.targets}

    def anywhere(self, i: Instance) -> bool:
        return any(pair in self._targets for pair in i.addresses)

    def everywhere(self, owner: str, service: DesiredService, i: Instance) -> bool:
        where = dict(i.addresses)
        wanted = _addresses(owner, service, self._snapshot)
        return all(where[a.network] in self._leads.get(a, ()) for a in wanted if a.network in where)


def lead(key: DeploymentKey, desired: Desired, snapshot: Snapshot, tables: Tables, steps: Iterable[Step], site: Site) -> Tables:
    """The deployment's tables after the RouteTo and Unroute among `steps`; `snapshot` must have been through `mark_routed`.

    Every wanted host and address leads to all routed containers of its service; one without any stays, so that visitors are told
    that the service is not running rather than that there is no such stack. Targets that belong to no running container and hosts
    that are not wanted any more fall away, whether or not a step says so.
    """
    routed = {i.id for i in snapshot.instances if i.routed}
    for step in steps:
        if isinstance(step, RouteTo):
            routed.add(step.id)
        elif isinstance(step, Unroute):
            routed.discard(step.id)
    routes: dict[str, Route] = {}
    addresses: list[ServiceAddress] = []
    for service in desired.services:
        mine = [i for i in snapshot.instances if i.service == service.name]
        serving = [i for i in mine if i.id in routed and i.alive]
        hold = _is_expected(service, mine)
        if not service.retired:
            for route in _routes(key, service, serving, tables.routes, site.domain):
                same = routes.get(route.host)  # two services of the stack may share a host
                targets = route.targets if same is None else tuple(sorted({*same.targets, *route.targets}))
                routes[route.host] = replace(route, targets=targets, hold=hold and not targets)
        for entry in _addresses(str(key), service, snapshot):
            ours = tuple(sorted({ip for i in serving for network, ip in i.addresses if network == entry.network}))
            addresses.append(replace(entry, targets=ours, hold=hold and not ours))
    return Tables(
        tuple(sorted(routes.values(), key=lambda r: r.host)),
        tuple(sorted(addresses, key=lambda a: (a.network, a.service))),
    )


def _routes(
    key: DeploymentKey, service: DesiredService, serving: Iterable[Instance], table: Iterable[Route], domain: str
) -> Iterable[Route]:
    hosts = hosts_of(key, service.spec, domain)
    before = {_address(t): t for r in table if r.host in hosts for t in r.targets}
    targets = {_target_of(service, i.address, i.digest, before) for i in serving if i.address is not None}
    return [Route(host, str(key), tuple(sorted(targets))) for host in hosts]


def _addresses(owner: str, service: DesiredService, snapshot: Snapshot) -> list[ServiceAddress]:
    """The service's stable addresses, still without targets: one on each of its networks that has room for it."""
    if service.number is None:
        return []
    joined = {a.network for a in service.spec.networks}
    found = []
    for link in snapshot.links:
        address = link.service_address(service.number)
        if link.network in joined and address is not None:
            found.append(ServiceAddress(owner, link.network, service.name, address, link.services, link.interface, ()))
    return found


def _is_expected(service: DesiredService, instances: Iterable[Instance]) -> bool:
    """A container of the service is about to serve: whoever calls now had better wait."""
    coming = (Phase.CREATED, Phase.STARTING, Phase.READY)
    return not service.stopped and service.replicas > 0 and any(i.phase in coming and i.restarts < _HOPELESS for i in instances)


def _target_of(service: DesiredService, address: str, digest: str, before: dict[str, str]) -> str:
    """Where to reach a container. One made from another template may listen on another port: it keeps the one it has."""
    if digest != service.digest and address in before:
        return before[address]
    return _target(address, service.spec.http.port if service.spec.http else 80)


def _target(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _address(target: str) -> str:
    return target.rpartition(":")[0].strip("[]")
