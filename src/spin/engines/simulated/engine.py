"""An engine in memory. Nothing runs; time passes only as the clock that it was given says.

It keeps the promises of the port as strictly as a real engine does: what is missing or in use is refused, every step may be
repeated, and observing is complete or raises. Faults and mishaps come only when asked for, so every run can be repeated exactly.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from spin.engines.simulated.behaviour import Behaviour, Fault, FaultRule
from spin.engines.simulated.container import Container
from spin.engines.simulated.held import Held, Net, Subnets
from spin.engines.simulated.meters import Meters
from spin.engines.simulated.streams import Streams
from spin.errors import Conflict, EngineUnavailable, Failed, NotFound
from spin.kit.clock import Clock
from spin.model.feature import Feature
from spin.model.log import Line, LogSource, Span, last_of
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.paths import PathFacts
from spin.model.stack import Image, Network, Port, Protocol, ServiceSpec
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
from spin.ports.engine import Capabilities, FileContents, Health, VolumeInfo

_POLL_SECONDS = 0.05
"""How often `hints` looks whether the clock has changed anything."""


class SimulatedEngine(Streams, Meters):
    """Implements `spin.ports.engine.Engine`. Without `contents`, secrets are delivered as empty files.

    What concerns one deployment costs the same however many others there are.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        contents: FileContents | None = None,
        behaviour: Behaviour | None = None,
        service_addresses: bool = False,
        lacks: Iterable[Feature] = (),
    ) -> None:
        super().__init__()
        self.capabilities = Capabilities("simulated", lacks=frozenset(lacks), service_addresses=service_addresses)
        self.platform = ""
        """What it says it runs images for."""
        self.reachable = True
        self.images: set[str] = set()
        """Pinned images that are present."""
        self.foreign_ports: dict[Port, str] = {}
        """Published ports that programs outside the platform hold, and who they are (`target` is of no account)."""
        self.paths: dict[str, PathFacts] = {}
        """What the host says of paths; of all others it cannot tell."""
        self._clock = clock
        self._contents = contents
        self._usual = behaviour or Behaviour()
        self._behaviours: dict[tuple[str, str | None], Behaviour] = {}
        self._held: dict[DeploymentKey, Held] = {}
        self._owners: dict[InstanceId, DeploymentKey] = {}
        self._publishers: dict[tuple[int, Protocol], dict[InstanceId, Container]] = {}
        self._subnets = Subnets()
        self._faults: list[FaultRule] = []
        self._count = 0
        self._listeners: list[asyncio.Queue[DeploymentKey]] = []
        self._due: list[tuple[datetime, DeploymentKey]] = []
        self._next: dict[DeploymentKey, datetime] = {}
        self._texts: dict[DeploymentKey, str] = {}

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

    # The port.

    def _container(self, key: DeploymentKey, id: InstanceId) -> Container:
        self._answer()
        container = self._of(key).containers.get(id)
        if container is None:
            raise Conflict("That container is gone; another has taken its place, or is about to. Try again.")
        container.advance(self._clock.now())
        return container

    async def health(self) -> Health:
        detail = "" if self.reachable else "the simulated engine does not answer"
        return Health(self.reachable, "simulated", detail, self.platform)

    async def keys(self) -> frozenset[DeploymentKey]:
        self._answer()
        return frozenset(key for key, held in self._held.items() if held.containers or held.networks or held.files)

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:  # noqa: ARG002 - all are counted
        """As the port says; here the connections of all are counted, as it costs nothing."""
        self._answer()
        now = self._clock.now()
        held = self._held.get(key, Held())
        held.advance(now)
        return Snapshot(
            instances=tuple(c.observed(now) for c in held.containers.values()),
            networks=tuple(sorted(held.networks)),
            volumes=tuple(sorted(held.volumes)),
            files=tuple(sorted(held.files)),
            images=frozenset(self.images),
            links=tuple(held.networks[name].link for name in sorted(held.networks)),
        )

    async def overview(self) -> Mapping[DeploymentKey, str]:
        self._answer()
        self._pass_time()
        images = hash(frozenset(self.images))
        return {key: f"{images} {self._text(key)}" for key in await self.keys()}

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
        try:
            while True:
                key = None
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        key = await queue.get()
                self._answer()
                self._pass_time()
                touched = set() if key is None else {key}
                while not queue.empty():
                    touched.add(queue.get_nowait())
                for each in sorted(touched):
                    yield each
        finally:
            self._listeners.remove(queue)

    async def log_sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        self._answer()
        found = [
            LogSource(c.id, c.spec.name, c.slot, container_name(key.stack, c.spec.name, c.slot), c.created, c.running)
            for c in self.containers(key)
        ]
        return tuple(sorted(found, key=lambda s: (s.created, s.instance, s.id)))

    async def log(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        """Looks every now and then while it follows."""
        self._answer()
        container = next((c for c in self.containers(key) if c.id == id), None)
        if container is None:
            return
        given = len(container.lines)
        lines = [
            line
            for line in container.lines
            if (span.since is None or line[0] >= span.since) and (span.until is None or line[0] <= span.until)
        ]
        yield lines if span.tail is None else last_of(lines, span.tail)
        while span.follow and container.running and self._owners.get(id) == key:
            await asyncio.sleep(_POLL_SECONDS)
            self._answer()
            new, given = container.lines[given:], len(container.lines)
            yield new
        yield container.lines[given:] if span.follow else []

    def _measured(self) -> Iterator[Container]:
        self._answer()
        return (c for key in self._held for c in self.containers(key) if c.running)

    async def volumes(self, project: str) -> tuple[VolumeInfo, ...]:
        self._answer()
        return tuple(
            VolumeInfo(
                key,
                name,
                f"{key.environment}-{key.stack}-{name}",
                created,
                tuple(sorted({c.spec.name for c in self.containers(key) if _mounts(c, name)})),
            )
            for key, held in sorted(self._held.items())
            if key.project == project
            for name, created in sorted(held.volumes.items())
        )

    async def taken_ports(self, key: DeploymentKey, ports: tuple[Port, ...]) -> tuple[tuple[Port, str], ...]:
        self._answer()
        holders = ((port, self._holder(port, lambda c: c.key != key)) for port in ports)
        return tuple((port, holder) for port, holder in holders if holder is not None)

    async def look(self, paths: Collection[str]) -> Mapping[str, PathFacts]:
        self._answer()
        return {path: self.paths.get(path, PathFacts(path, unknown="The engine is simulated.")) for path in paths}

    # Steps.

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
                if any(step.network in _networks(c) for c in self.containers(key)):
                    raise Failed(f"Network {step.network} has containers attached.")
                gone = self._of(key).networks.pop(step.network, None)
                if gone is not None:
                    self._subnets.release(gone.link)
            case RemoveVolume():
                if any(_mounts(c, step.volume) for c in self.containers(key)):
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
        if not step.spec.retain_ip or self.capabilities.service_addresses:
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

    # Looking things up.

    def _answer(self) -> None:
        if not self.reachable:
            raise EngineUnavailable("The simulated engine does not answer.")

    def _of(self, key: DeploymentKey) -> Held:
        return self._held.setdefault(key, Held())

    def _known(self, id: InstanceId) -> Container:
        container = self._held[self._owners[id]].containers[id]
        container.advance(self._clock.now())
        return container

    def containers(self, key: DeploymentKey) -> list[Container]:
        """The deployment's containers, with what they were made from."""
        held = self._held.get(key, Held())
        held.advance(self._clock.now())
        return list(held.containers.values())

    def _put(self, container: Container) -> None:
        self._of(container.key).containers[container.id] = container
        self._owners[container.id] = container.key
        for port in container.spec.ports:
            self._publishers.setdefault((port.published, port.protocol), {})[container.id] = container

    def _drop(self, container: Container) -> None:
        del self._held[container.key].containers[container.id]
        del self._owners[container.id]
        for port in container.spec.ports:
            del self._publishers[port.published, port.protocol][container.id]

    def _holder(self, port: Port, is_other: Callable[[Container], bool]) -> str | None:
        """Who holds the published port, if it is one of those that `is_other` picks, or a program outside the platform."""
        for foreign, holder in self.foreign_ports.items():
            if (foreign.published, foreign.protocol) == (port.published, port.protocol):
                return holder
        for container in self._publishers.get((port.published, port.protocol), {}).values():
            container.advance(self._clock.now())
            if container.running and is_other(container):
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

    # What changes.

    def _touch(self, key: DeploymentKey) -> None:
        """Something of the deployment is otherwise."""
        self._of(key).version += 1
        self._changed(key)

    def _changed(self, key: DeploymentKey) -> None:
        self._texts.pop(key, None)
        for listener in self._listeners:
            listener.put_nowait(key)
        after = self._of(key).next_change(self._clock.now())
        if after is None:
            self._next.pop(key, None)
        elif self._next.get(key) != after:
            self._next[key] = after
            heapq.heappush(self._due, (after, key))

    def _pass_time(self) -> None:
        """Look at the deployments that have changed by themselves since somebody looked."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            when, key = heapq.heappop(self._due)
            if self._next.get(key) == when:
                del self._next[key]
                self._of(key).advance(now)
                self._changed(key)

    def _text(self, key: DeploymentKey) -> str:
        if key not in self._texts:
            self._texts[key] = self._of(key).text(self._clock.now())
        return self._texts[key]


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
    container.addresses, container.connections, container.altered = dict(seen.addresses), seen.connections, seen.altered
    container.exit_code, container.oom_killed = seen.exit_code, seen.oom_killed
    container.restarts = seen.restarts
    container.sick = seen.detail if seen.phase is Phase.UNHEALTHY else None
    container.hidden = seen.detail if seen.phase is Phase.UNKNOWN else None
    container.error = seen.detail if seen.phase is Phase.CREATED else ""
    return container
