"""How a simulated engine carries out steps: what is missing or in use is refused, and every step may be repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from spin.engines.simulated.behaviour import Behaviour, FaultRule
from spin.engines.simulated.container import Container
from spin.engines.simulated.held import Held, Net
from spin.engines.simulated.machine import Machine
from spin.errors import Failed, NotFound
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey, InstanceId
from spin.model.stack import Network
from spin.model.steps import (
    Create,
    DeliverFiles,
    EngineStep,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    Remove,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    Start,
    Stop,
)
from spin.ports.engine import FileContents


class Steps(Machine):
    """That part of the simulated engine."""

    def __init__(self, clock: Clock, contents: FileContents | None, usual: Behaviour, *, service_addresses: bool) -> None:
        super().__init__(clock)
        self._contents = contents
        self._usual = usual
        self._service_addresses = service_addresses
        self._behaviours: dict[tuple[str, str | None], Behaviour] = {}
        self._faults: list[FaultRule] = []
        self._count = 0

    async def _do(self, key: DeploymentKey, step: EngineStep) -> None:
        match step:
            case PullImage():
                self.images.add(step.pinned)
            case EnsureNetwork():
                self._ensure_network(key, step.network)
            case EnsureVolume():
                self._of(key).volumes.setdefault(step.volume.name, self._clock.now())
            case DeliverFiles():
                await self._deliver(key, step)
            case Create():
                self._create(key, step)
            case Start() | Stop() | Remove():
                self._change(key, step)
            case RemoveFiles() | RemoveNetwork() | RemoveVolume():
                self._clear(key, step)
            case _:
                assert_never(step)

    def _clear(self, key: DeploymentKey, step: RemoveFiles | RemoveNetwork | RemoveVolume) -> None:
        match step:
            case RemoveFiles():
                if any(c.spec.name == step.service and c.digest == step.digest for c in self.containers(key)):
                    raise Failed(f"The files of {step.service} are in use.")
                self._of(key).files.pop((step.service, step.digest), None)
            case RemoveNetwork():
                if any(step.network in c.networks for c in self.containers(key)):
                    raise Failed(f"Network {step.network} has containers attached.")
                gone = self._of(key).networks.pop(step.network, None)
                if gone is not None:
                    self._subnets.release(gone.link)
            case RemoveVolume():
                if any(c.mounts(step.volume) for c in self.containers(key)):
                    raise Failed(f"Volume {step.volume} is in use.")
                self._of(key).volumes.pop(step.volume, None)

    def _ensure_network(self, key: DeploymentKey, network: Network) -> None:
        mine = self._of(key).networks
        if network.name not in mine:
            mine[network.name] = Net(self._subnets.take(network.name, internal=network.internal))

    async def _deliver(self, key: DeploymentKey, step: DeliverFiles) -> None:
        if step.image not in self.images:
            raise Failed(f"There is no image {step.image} to write the files of {step.service} with.")
        files = {grant.target: config.content for grant, config in step.configs}
        for grant, stored, version in step.secrets:
            try:
                files[grant.target] = b"" if self._contents is None else await self._contents.secret(key, stored, version)
            except NotFound as error:
                raise Failed(f"Secret {stored} is not stored (version {version}).", secret=stored) from error
        self._of(key).files[step.service, step.digest] = files

    def _create(self, key: DeploymentKey, step: Create) -> None:
        name = f"{key.stack}-{step.spec.name}-{step.slot}-{step.digest[:8]}-{step.attempt}"
        if any(c.name == name for c in self.containers(key)):
            return
        held = self._of(key)
        missing = [
            *(f"image {image}" for image in (step.spec.image.pinned,) if image not in self.images),
            *(f"network {a.network}" for a in step.spec.networks if a.network not in held.networks),
            *(f"volume {m.volume}" for m in step.spec.mounts if m.volume not in held.volumes),
        ]
        if (step.spec.configs or step.spec.secrets) and (step.spec.name, step.digest) not in held.files:
            missing.append("its files")
        if missing:
            raise Failed(f"{name} cannot be created without {', '.join(missing)}.")
        self._count += 1
        new = InstanceId(f"sim-{self._count:06}")
        usual = self._behaviours.get((step.spec.name, None), self._usual)
        behaviour = self._behaviours.get((step.spec.name, step.spec.image.pinned), usual)
        now = self._clock.now()
        kept = self._kept(held, step)
        made = Container(
            new, name, key, step.spec, step.digest, step.slot, step.attempt, now, behaviour, kept=kept, peers=step.peers
        )
        self._put(made)

    def _kept(self, held: Held, step: Create) -> dict[str, str]:
        """The addresses of a service that retains them: those of the slot's last container, else free ones from the top."""
        if not step.spec.retain_ip or self._service_addresses:
            return {}
        before = [c for c in held.containers.values() if (c.spec.name, c.slot) == (step.spec.name, step.slot) and c.kept]
        had = before[-1].kept if before else {}
        return {
            a.network: had.get(a.network) or held.networks[a.network].address(held.taken(a.network, running=False), from_top=True)
            for a in step.spec.networks
        }

    def _change(self, key: DeploymentKey, step: Start | Stop | Remove) -> None:
        container = next((c for c in self.containers(key) if c.id == step.id), None)
        if container is None:
            if isinstance(step, Start):
                raise Failed(f"{step.name} cannot be started: there is no such container.")
            return
        if isinstance(step, Stop):
            container.stop(self._clock.now(), timedelta(milliseconds=step.grace_ms))
        elif isinstance(step, Remove):
            if container.running:
                raise Failed(f"{step.name} cannot be removed: it runs.")
            self._drop(container)
        elif not container.running:
            self._start(container)

    def _start(self, container: Container) -> None:
        for port in container.spec.ports:
            holder = self._holder(port, lambda c: c.id != container.id)
            if holder is not None:
                container.error = f"port {port.published}/{port.protocol.value} is in use by {holder}"
                raise Failed(f"{container.name} cannot be started: {container.error}.")
        container.start(self._clock.now(), {a.network: self._address(container, a.network) for a in container.spec.networks})
        container.advance(self._clock.now())

    def _address(self, container: Container, network: str) -> str:
        held = self._of(container.key)
        if network not in held.networks:
            raise Failed(f"{container.name} cannot be started: there is no network {network}.", network=network)
        taken, kept = held.taken(network, running=True), container.kept.get(network)
        if kept in taken:
            raise Failed(f"{container.name} cannot be started: its address {kept} is in use.")
        return kept or held.networks[network].address([*taken, *held.taken(network, running=False)])

    def _fault_for(self, key: DeploymentKey, step: EngineStep) -> FaultRule | None:
        service = self._service_of(key, step)
        for rule in self._faults:
            if isinstance(step, rule.step) and rule.service in (None, service) and rule.times != 0:
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def _service_of(self, key: DeploymentKey, step: EngineStep) -> str | None:
        match step:
            case Create():
                return step.spec.name
            case DeliverFiles() | RemoveFiles():
                return step.service
            case Start() | Stop() | Remove():
                return next((c.spec.name for c in self.containers(key) if c.id == step.id), None)
            case _:
                return None
