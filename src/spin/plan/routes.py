"""Host names of services, and the edge's table of routes: what it says of a snapshot, and what it should say next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spin.model.names import DeploymentKey, host_label
from spin.model.observed import Instance, Route, Snapshot
from spin.model.stack import ServiceSpec
from spin.model.steps import RouteTo, Step, Unroute
from spin.plan.desired import Desired, DesiredService


def hosts_of(key: DeploymentKey, service: ServiceSpec, domain: str) -> tuple[str, ...]:
    """The names at which the edge serves `service`: the one that every service with a public port has, then its own ones."""
    if service.http is None:
        return ()
    standard = f"{host_label(service.name)}.{key.stack}.{key.environment}.{domain}"
    return (standard, *(h for h in service.http.hosts if h != standard))


def urls_of(key: DeploymentKey, service: ServiceSpec, domain: str, port: int = 80, scheme: str = "http") -> tuple[str, ...]:
    """The addresses to show to people. `port` is the one on which visitors reach the edge; a scheme's usual one is left out."""
    usual = {"http": 80, "https": 443}
    tail = "" if usual.get(scheme) == port else f":{port}"
    return tuple(f"{scheme}://{host}{tail}/" for host in hosts_of(key, service, domain))


def mark_routed(key: DeploymentKey, desired: Desired, snapshot: Snapshot, table: Iterable[Route], domain: str) -> Snapshot:
    """`snapshot` with `routed` set on the instances to which a route of this deployment leads, and only on those."""
    mine = tuple(r for r in table if r.owner == str(key))
    hosts = {s.name: frozenset(hosts_of(key, s.spec, domain)) for s in desired.services}
    known: frozenset[str] = frozenset().union(*hosts.values())

    def is_routed(i: Instance) -> bool:
        service = desired.service(i.service)
        own = hosts.get(i.service, frozenset())
        # A host that is not wanted any more may be any service's: its targets are told by their address alone.
        targets = {t for r in mine if r.host in own or r.host not in known for t in r.targets}
        if i.address is None:
            return False
        if service is not None and service.spec.http is not None and i.digest == service.digest:
            return _target(i.address, service.spec.http.port) in targets
        return any(_address(t) == i.address for t in targets)

    return replace(snapshot, instances=tuple(replace(i, routed=is_routed(i)) for i in snapshot.instances))


def apply(
    key: DeploymentKey,
    desired: Desired,
    snapshot: Snapshot,
    table: Iterable[Route],
    steps: Iterable[Step],
    domain: str,
) -> tuple[Route, ...]:
    """The whole table after the RouteTo and Unroute among `steps`; `snapshot` must have been through `mark_routed`.

    Every wanted host leads to all routed containers of its service; one without any stays in the table without targets, so that
    visitors are told that the service is not running rather than that there is no such stack. Targets that belong to no running
    container and hosts that are not wanted any more fall away, whether or not a step says so; the routes of other owners stay as
    they are, and a host that another owner holds is not taken from it.
    """
    table = tuple(table)
    others = [r for r in table if r.owner != str(key)]
    held = {r.host for r in others}
    routed = {i.id for i in snapshot.instances if i.routed}
    for step in steps:
        if isinstance(step, RouteTo):
            routed.add(step.id)
        elif isinstance(step, Unroute):
            routed.discard(step.id)
    found: dict[str, set[str]] = {}
    for service in desired.services:
        hosts = [h for h in hosts_of(key, service.spec, domain) if h not in held]
        before = {_address(t): t for r in table if r.owner == str(key) and r.host in hosts for t in r.targets}
        targets = {
            _target_of(service, i.address, i.digest, before)
            for i in snapshot.instances
            if i.service == service.name and i.id in routed and i.alive and i.address is not None
        }
        for host in hosts:
            found.setdefault(host, set()).update(targets)
    routes = [Route(host, str(key), tuple(sorted(targets))) for host, targets in found.items()]
    return tuple(sorted([*others, *routes], key=lambda r: r.host))


def _target_of(service: DesiredService, address: str, digest: str, before: dict[str, str]) -> str:
    """Where to reach a container. One made from an earlier template may listen on another port: it keeps the one it has."""
    if digest != service.digest and address in before:
        return before[address]
    return _target(address, service.spec.http.port if service.spec.http else 80)


def _target(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _address(target: str) -> str:
    return target.rpartition(":")[0].strip("[]")
