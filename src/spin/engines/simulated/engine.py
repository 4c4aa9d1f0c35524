"""An engine in memory. Nothing runs; time passes only as the clock that it was given says.

It keeps the promises of the port as strictly as a real engine does: what is missing or in use is refused, every step may be
repeated, and observing is complete or raises. Faults and mishaps come only when asked for, so every run can be repeated exactly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from spin.engines.simulated.behaviour import Behaviour, Fault
from spin.engines.simulated.container import Container
from spin.engines.simulated.held import Held
from spin.engines.simulated.meters import Meters
from spin.engines.simulated.mishaps import Mishaps
from spin.engines.simulated.streams import Streams
from spin.errors import Conflict, EngineUnavailable, Failed
from spin.kit.clock import Clock
from spin.model.feature import Feature
from spin.model.log import Line, LogSource, Span, last_of
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.observed import Snapshot
from spin.model.paths import PathFacts
from spin.model.stack import Port
from spin.model.steps import EngineStep
from spin.ports.engine import Capabilities, FileContents, Health, VolumeInfo

_POLL_SECONDS = 0.05
"""How often `hints` looks whether the clock has changed anything."""


class SimulatedEngine(Mishaps, Streams, Meters):
    """Implements `spin.ports.engine.Engine`. Without `contents`, secrets are delivered as empty files."""

    def __init__(
        self,
        clock: Clock,
        *,
        contents: FileContents | None = None,
        behaviour: Behaviour | None = None,
        service_addresses: bool = False,
        lacks: Iterable[Feature] = (),
    ) -> None:
        super().__init__(clock, contents, behaviour or Behaviour(), service_addresses=service_addresses)
        self.capabilities = Capabilities("simulated", lacks=frozenset(lacks), service_addresses=service_addresses)
        self.platform = ""
        """What it says it runs images for."""
        self.paths: dict[str, PathFacts] = {}
        """What the host says of paths; of all others it cannot tell."""

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
                tuple(sorted({c.spec.name for c in self.containers(key) if c.mounts(name)})),
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
