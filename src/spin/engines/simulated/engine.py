"""An engine in memory. Nothing runs; time passes only as the clock that it was given says.

It keeps the promises of the port as strictly as a real engine does: what is missing or in use is refused, every step may be
repeated, and observing is complete or raises. Faults and mishaps come only when asked for, so every run can be repeated exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from spin.engines.simulated.behaviour import Behaviour, Fault, FaultRule
from spin.engines.simulated.container import Container
from spin.errors import EngineUnavailable, Failed, NotFound
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Image, Port, ServiceSpec
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
from spin.ports.engine import Capabilities, FileContents, Health, LogLine, LogQuery, VolumeInfo

_POLL_SECONDS = 0.05
"""How often `hints` looks whether the clock has changed anything."""


class SimulatedEngine:
    """Implements `spin.ports.engine.Engine`. Without `contents`, secrets are delivered as empty files."""

    def __init__(self, clock: Clock, *, contents: FileContents | None = None, behaviour: Behaviour | None = None) -> None:
        self.capabilities = Capabilities("simulated")
        self.reachable = True
        self.images: set[str] = set()
        """Pinned images that are present."""
        self.foreign_ports: dict[Port, str] = {}
        """Published ports that programs outside the platform hold, and who they are (`target` is of no account)."""
        self.delivered: dict[tuple[DeploymentKey, str, str], dict[str, bytes]] = {}
        """Contents by path, for (deployment, service, template digest)."""
        self._clock = clock
        self._contents = contents
        self._usual = behaviour or Behaviour()
        self._behaviours: dict[tuple[str, str | None], Behaviour] = {}
        self._containers: dict[InstanceId, Container] = {}
        self._networks: dict[DeploymentKey, dict[str, int]] = {}
        self._volumes: dict[tuple[DeploymentKey, str], datetime] = {}
        self._faults: list[FaultRule] = []
        self._count = 0
        self._network_count = 0
        self._listeners: list[asyncio.Queue[DeploymentKey]] = []

    # What tests and previews set.

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
        self._touch(self._containers.pop(id).key)

    def crash(self, id: InstanceId, exit_code: int = 1, *, out_of_memory: bool = False) -> None:
        """Its main process ends; its restart policy decides what follows."""
        self._known(id).crash(self._clock.now(), exit_code, out_of_memory=out_of_memory)
        self._touch(self._containers[id].key)

    def halt(self, id: InstanceId) -> None:
        """Somebody stopped the container behind the platform's back: no restart policy applies."""
        self._known(id).stop(self._clock.now(), timedelta(0))
        self._touch(self._containers[id].key)

    def sicken(self, id: InstanceId, output: str = "connection refused") -> None:
        """Its health check fails until `heal`, or until it is restarted."""
        self._known(id).sick = output
        self._touch(self._containers[id].key)

    def heal(self, id: InstanceId) -> None:
        self._known(id).sick = None
        self._touch(self._containers[id].key)

    def hide(self, id: InstanceId, reason: str = "the engine cannot tell") -> None:
        """It is UNKNOWN until `reveal`; meanwhile it goes on as it did."""
        self._known(id).hidden = reason
        self._touch(self._containers[id].key)

    def reveal(self, id: InstanceId) -> None:
        self._known(id).hidden = None
        self._touch(self._containers[id].key)

    def adopt(self, key: DeploymentKey, snapshot: Snapshot, specs: Mapping[str, ServiceSpec]) -> None:
        """Begin with what another engine has observed, to try a plan on it. `specs` are the services as far as they are known."""
        self.images |= snapshot.images
        for network in snapshot.networks:
            self._ensure_network(key, network)
        for volume in snapshot.volumes:
            self._volumes.setdefault((key, volume), self._clock.now())
        for service, digest in snapshot.files:
            self.delivered.setdefault((key, service, digest), {})
        for instance in snapshot.instances:
            spec = specs.get(instance.service, ServiceSpec(instance.service, Image("unknown", "sha256:" + 64 * "0")))
            self._containers[instance.id] = _adopted(key, instance, spec, self._usual, self._clock.now())

    # The port.

    async def health(self) -> Health:
        return Health(self.reachable, "simulated", "" if self.reachable else "the simulated engine does not answer")

    async def keys(self) -> frozenset[DeploymentKey]:
        self._answer()
        return frozenset(c.key for c in self._containers.values()) | frozenset(k for k, v in self._networks.items() if v)

    async def observe(self, key: DeploymentKey) -> Snapshot:
        self._answer()
        now = self._clock.now()
        return Snapshot(
            instances=tuple(c.observed(now) for c in self.containers(key)),
            networks=tuple(sorted(self._networks.get(key, {}))),
            volumes=tuple(sorted(name for k, name in self._volumes if k == key)),
            files=tuple(sorted((service, digest) for k, service, digest in self.delivered if k == key)),
            images=frozenset(self.images),
        )

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        self._answer()
        rule = self._fault_for(key, step)
        if rule is not None and rule.fault is Fault.UNREACHABLE:
            raise EngineUnavailable(rule.message)
        if rule is not None and rule.fault is Fault.FAILS:
            raise Failed(rule.message)
        await self._do(key, step)
        self._touch(key)
        if rule is not None:
            raise EngineUnavailable(rule.message)

    async def hints(self) -> AsyncIterator[DeploymentKey]:
        queue: asyncio.Queue[DeploymentKey] = asyncio.Queue()
        self._listeners.append(queue)
        seen = self._phases()
        try:
            while True:
                try:
                    async with asyncio.timeout(_POLL_SECONDS):
                        touched = {await queue.get()}
                except TimeoutError:
                    touched = set()
                self._answer()
                phases = self._phases()
                changed = {one for one, _ in phases.items() ^ seen.items()}
                seen = phases
                touched |= {c.key for c in self._containers.values() if c.id in changed}
                for key in sorted(touched):
                    yield key
        finally:
            self._listeners.remove(queue)

    async def logs(self, key: DeploymentKey, query: LogQuery) -> AsyncIterator[LogLine]:
        self._answer()
        found: list[LogLine] = []
        for container in self.containers(key):
            if query.service not in (None, container.spec.name) or query.slot not in (None, container.slot):
                continue
            lines = [line for line in container.lines if query.since is None or line.time >= query.since]
            found += lines if query.tail is None else lines[max(0, len(lines) - query.tail) :]
        for line in sorted(found, key=lambda line: (line.time, line.instance)):
            yield line

    async def volumes(self, project: str) -> tuple[VolumeInfo, ...]:
        self._answer()
        found = sorted((k, name) for k, name in self._volumes if k.project == project)
        return tuple(
            VolumeInfo(
                key,
                name,
                f"{key.environment}-{key.stack}-{name}",
                self._volumes[key, name],
                tuple(sorted({c.spec.name for c in self.containers(key) if _mounts(c, name)})),
            )
            for key, name in found
        )

    async def taken_ports(self, key: DeploymentKey, ports: tuple[Port, ...]) -> tuple[tuple[Port, str], ...]:
        self._answer()
        holders = ((port, self._holder(port, lambda c: c.key != key)) for port in ports)
        return tuple((port, holder) for port, holder in holders if holder is not None)

    # Steps.

    async def _do(self, key: DeploymentKey, step: EngineStep) -> None:
        match step:
            case PullImage():
                self.images.add(step.pinned)
            case EnsureNetwork():
                self._ensure_network(key, step.network.name)
            case EnsureVolume():
                self._volumes.setdefault((key, step.volume.name), self._clock.now())
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
                self.delivered.pop((key, step.service, step.digest), None)
            case RemoveNetwork():
                if any(step.network in _networks(c) for c in self.containers(key)):
                    raise Failed(f"Network {step.network} has containers attached.")
                self._networks.get(key, {}).pop(step.network, None)
            case RemoveVolume():
                if any(_mounts(c, step.volume) for c in self.containers(key)):
                    raise Failed(f"Volume {step.volume} is in use.")
                self._volumes.pop((key, step.volume), None)

    def _ensure_network(self, key: DeploymentKey, network: str) -> None:
        mine = self._networks.setdefault(key, {})
        if network not in mine:
            self._network_count += 1
            mine[network] = self._network_count

    async def _deliver(self, key: DeploymentKey, step: DeliverFiles) -> None:
        if step.image not in self.images:
            raise Failed(f"There is no image {step.image} to write the files of {step.service} with.")
        files = {grant.target: config.content for grant, config in step.configs}
        for grant, stored, version in step.secrets:
            try:
                files[grant.target] = b"" if self._contents is None else await self._contents.secret(key, stored, version)
            except NotFound as error:
                raise Failed(f"Secret {stored} is not stored (version {version}).", secret=stored) from error
        self.delivered[key, step.service, step.digest] = files

    def _create(self, key: DeploymentKey, step: Create) -> None:
        name = f"{key.stack}-{step.spec.name}-{step.slot}-{step.digest[:8]}-{step.attempt}"
        if any(c.name == name for c in self.containers(key)):
            return
        missing = [
            *(f"image {image}" for image in (step.spec.image.pinned,) if image not in self.images),
            *(f"network {a.network}" for a in step.spec.networks if a.network not in self._networks.get(key, {})),
            *(f"volume {m.volume}" for m in step.spec.mounts if (key, m.volume) not in self._volumes),
        ]
        if (step.spec.configs or step.spec.secrets) and (key, step.spec.name, step.digest) not in self.delivered:
            missing.append("its files")
        if missing:
            raise Failed(f"{name} cannot be created without {', '.join(missing)}.")
        self._count += 1
        new = InstanceId(f"sim-{self._count:06}")
        usual = self._behaviours.get((step.spec.name, None), self._usual)
        behaviour = self._behaviours.get((step.spec.name, step.spec.image.pinned), usual)
        now = self._clock.now()
        self._containers[new] = Container(new, name, key, step.spec, step.digest, step.slot, step.attempt, now, behaviour)

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
            del self._containers[step.id]
        elif not container.running:
            self._start(container)

    def _start(self, container: Container) -> None:
        for port in container.spec.ports:
            holder = self._holder(port, lambda c: c.id != container.id)
            if holder is not None:
                container.error = f"port {port.published}/{port.protocol.value} is in use by {holder}"
                raise Failed(f"{container.name} cannot be started: {container.error}.")
        number = min(self._networks.get(container.key, {}).values(), default=0)
        used = {c.address for c in self.containers(container.key) if c.running}
        free = (f"10.{number // 256}.{number % 256}.{host}" for host in range(2, 255))
        container.start(self._clock.now(), next(a for a in free if a not in used))
        container.advance(self._clock.now())

    # Looking things up.

    def _answer(self) -> None:
        if not self.reachable:
            raise EngineUnavailable("The simulated engine does not answer.")
        now = self._clock.now()
        for container in self._containers.values():
            container.advance(now)

    def _known(self, id: InstanceId) -> Container:
        container = self._containers[id]
        container.advance(self._clock.now())
        return container

    def containers(self, key: DeploymentKey) -> list[Container]:
        """The deployment's containers, with what they were made from."""
        return [c for c in self._containers.values() if c.key == key]

    def _phases(self) -> dict[InstanceId, tuple[Phase, int]]:
        now = self._clock.now()
        return {c.id: (c.phase(now), c.restarts) for c in self._containers.values()}

    def _holder(self, port: Port, is_other: Callable[[Container], bool]) -> str | None:
        """Who holds the published port, if it is one of those that `is_other` picks, or a program outside the platform."""
        for foreign, holder in self.foreign_ports.items():
            if (foreign.published, foreign.protocol) == (port.published, port.protocol):
                return holder
        for container in self._containers.values():
            held = ((p.published, p.protocol) for p in container.spec.ports)
            if container.running and is_other(container) and (port.published, port.protocol) in held:
                return container.name
        return None

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

    def _touch(self, key: DeploymentKey) -> None:
        for listener in self._listeners:
            listener.put_nowait(key)


def _networks(container: Container) -> set[str]:
    return {a.network for a in container.spec.networks}


def _mounts(container: Container, volume: str) -> bool:
    return any(m.volume == volume for m in container.spec.mounts)


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
    container.address, container.exit_code, container.oom_killed = seen.address, seen.exit_code, seen.oom_killed
    container.restarts = seen.restarts
    container.sick = seen.detail if seen.phase is Phase.UNHEALTHY else None
    container.hidden = seen.detail if seen.phase is Phase.UNKNOWN else None
    container.error = seen.detail if seen.phase is Phase.CREATED else ""
    return container
