"""What tests and previews do to a simulated engine: faults and mishaps come only when asked for, so every run can be repeated exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from spin.engines.simulated.behaviour import Behaviour, Fault, FaultRule
from spin.engines.simulated.container import Container
from spin.engines.simulated.held import Net
from spin.engines.simulated.steps import Steps
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Image, Network, ServiceSpec
from spin.model.steps import EngineStep


class Mishaps(Steps):
    """That part of the simulated engine."""

    def behave(self, service: str, behaviour: Behaviour, *, image: str | None = None) -> None:
        """How containers of `service` behave that are created from now on; with `image` (a pinned one) only those made from it."""
        self._behaviours[service, image] = behaviour

    def fail(
        self,
        step: type[EngineStep],
        fault: Fault = Fault.FAILS,
        *,
        message: str = "simulated failure",
        service: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Let the next `times` steps of that kind (None = all from now on) meet `fault`."""
        self._faults.append(FaultRule(step, fault, message, service, times))

    def mend(self) -> None:
        """Forget all faults that are still to come."""
        self._faults.clear()

    def vanish(self, id: InstanceId) -> None:
        """Somebody removed the container behind the platform's back."""
        key = self._owners[id]
        self._drop(self._known(id))
        self._touch(key)

    def crash(self, id: InstanceId, exit_code: int = 1, *, out_of_memory: bool = False) -> None:
        """Its main process ends; its restart policy decides what follows."""
        self._known(id).crash(self._clock.now(), exit_code, out_of_memory=out_of_memory)
        self._touch(self._owners[id])

    def halt(self, id: InstanceId) -> None:
        """Somebody stopped the container behind the platform's back: no restart policy applies."""
        self._known(id).stop(self._clock.now(), timedelta(0))
        self._touch(self._owners[id])

    def sicken(self, id: InstanceId, output: str = "connection refused") -> None:
        """Its health check fails until `heal`, or until it is restarted."""
        self._known(id).sick = output
        self._touch(self._owners[id])

    def heal(self, id: InstanceId) -> None:
        self._known(id).sick = None
        self._touch(self._owners[id])

    def hide(self, id: InstanceId, reason: str = "the engine cannot tell") -> None:
        """It is UNKNOWN until `reveal`; meanwhile it goes on as it did."""
        self._known(id).hidden = reason
        self._touch(self._owners[id])

    def reveal(self, id: InstanceId) -> None:
        self._known(id).hidden = None
        self._touch(self._owners[id])

    def connect(self, id: InstanceId, connections: int | None) -> None:
        """So many connections are open to it until it ends, or is connected otherwise; None: it cannot be told. Nobody is hinted."""
        self._known(id).connections = connections

    def alter(self, id: InstanceId, reason: str) -> None:
        """Somebody changed it by hand."""
        self._known(id).altered = reason
        self._touch(self._owners[id])

    def forget_network(self, key: DeploymentKey, network: str) -> None:
        """Somebody took all containers off the network and removed it."""
        self._subnets.release(self._held[key].networks.pop(network).link)
        for container in self._held[key].containers.values():
            if container.addresses.pop(network, None) is not None:
                container.lost.append(network)
        self._touch(key)

    def adopt(self, key: DeploymentKey, snapshot: Snapshot, specs: Mapping[str, ServiceSpec]) -> None:
        """Begin with what another engine has observed, to try a plan on it. `specs` are the services as far as they are known."""
        self.images |= snapshot.images
        held = self._of(key)
        held.networks.update({link.network: Net(link) for link in snapshot.links})
        for network in snapshot.networks:
            self._ensure_network(key, Network(network))
        for volume in snapshot.volumes:
            held.volumes.setdefault(volume, self._clock.now())
        for service, digest in snapshot.files:
            held.files.setdefault((service, digest), {})
        for instance in snapshot.instances:
            spec = specs.get(instance.service, ServiceSpec(instance.service, Image("unknown", "sha256:" + 64 * "0")))
            self._put(_adopted(key, instance, spec, self._usual, self._clock.now()))
        self._touch(key)

    @property
    def delivered(self) -> dict[tuple[DeploymentKey, str, str], dict[str, bytes]]:
        """Contents by path, for (deployment, service, template digest)."""
        return {(key, *pair): contents for key, held in self._held.items() for pair, contents in held.files.items()}


def _adopted(key: DeploymentKey, seen: Instance, spec: ServiceSpec, usual: Behaviour, now: datetime) -> Container:
    """A container that goes on from what was seen of it: what was ready stays ready, what was starting becomes ready in time."""
    behaviour = replace(usual, ready_after=timedelta(0)) if seen.phase is Phase.READY else usual
    container = Container(
        seen.id, seen.name, key, replace(spec, name=seen.service), seen.digest, seen.slot, seen.attempt, seen.since, behaviour
    )
    if seen.phase is not Phase.CREATED:
        container.started = seen.since if seen.phase is not Phase.STARTING else now
    if seen.phase is Phase.EXITED:
        container.finished = seen.since
    container.addresses, container.connections, container.altered = dict(seen.addresses), seen.connections, seen.altered
    container.exit_code, container.oom_killed = seen.exit_code, seen.oom_killed
    container.restarts = seen.restarts
    container.sick = seen.detail if seen.phase is Phase.UNHEALTHY else None
    container.hidden = seen.detail if seen.phase is Phase.UNKNOWN else None
    container.error = seen.detail if seen.phase is Phase.CREATED else ""
    return container
