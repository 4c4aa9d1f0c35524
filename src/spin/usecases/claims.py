"""What a stack claims outside itself (host names, published ports), and who holds it already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spin.errors import Conflict
from spin.model.names import DeploymentKey, fold_host
from spin.model.principal import Principal
from spin.model.revision import Revision
from spin.model.stack import Port, Protocol, StackSpec
from spin.policy.beyond import HOST_TAKEN, PORT_TAKEN
from spin.site import Site
from spin.usecases.problems import Problem, refusal
from spin.usecases.rights import readable


@dataclass(frozen=True, slots=True)
class Claims:
    """Own host names and published ports, each with the service that asks for it."""

    hosts: tuple[tuple[str, str], ...]
    ports: tuple[tuple[Port, str], ...]

    def __bool__(self) -> bool:
        return bool(self.hosts or self.ports)


def claims_of(spec: StackSpec) -> Claims:
    return Claims(
        tuple((fold_host(host), s.name) for s in spec.services if s.http for host in s.http.hosts),
        tuple((port, s.name) for s in spec.services for port in s.ports),
    )


def held_by_others(
    site: Site, principal: Principal, key: DeploymentKey, claims: Claims, revisions: Iterable[tuple[DeploymentKey, Revision]]
) -> Iterator[Problem]:
    """Claims that `revisions` of other deployments hold: names over the whole site, ports on the same engine."""
    hosts: dict[str, DeploymentKey] = {}
    ports: dict[tuple[int, Protocol], DeploymentKey] = {}
    claimed = ((other, claims_of(revision.spec)) for other, revision in revisions)
    for other, theirs in sorted(((other, theirs) for other, theirs in claimed if theirs), key=lambda item: item[0]):
        if other == key:
            continue
        hosts.update((host, other) for host, _ in theirs.hosts)
        if _engine(site, other) == _engine(site, key):
            ports.update(((port.published, port.protocol), other) for port, _ in theirs.ports)
    for host, service in claims.hosts:
        if host in hosts:
            yield refusal(
                Conflict,
                HOST_TAKEN,
                f"Service {service!r}: the name {host} is taken by {_who(principal, hosts[host])}.",
                "Use another name, or give it up there first.",
                service=service,
                key=f"services.{service}.x-spin.hosts",
            )
    for port, service in claims.ports:
        holder = ports.get((port.published, port.protocol))
        if holder is not None:
            yield port_taken(port, service, _who(principal, holder))


def port_taken(port: Port, service: str, holder: str) -> Problem:
    return refusal(
        Conflict,
        PORT_TAKEN,
        f"Service {service!r}: port {_shown(port)} is in use by {holder}.",
        "Publish another port, or free this one first.",
        service=service,
        key=f"services.{service}.ports",
    )


def _who(principal: Principal, holder: DeploymentKey) -> str:
    """Names the holder to those who may know of it."""
    if readable(principal, holder.project):
        return f"stack {holder.stack!r} in {holder.environment} (project {holder.project!r})"
    return "a stack of another project"


def _engine(site: Site, key: DeploymentKey) -> str | None:
    environment = site.environment(key.environment)
    return None if environment is None else environment.engine


def _shown(port: Port) -> str:
    return f"{port.published}/{port.protocol.value}"
