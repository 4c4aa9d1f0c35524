"""What a simulated engine holds, how it is looked up, and what time does to it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from spin.engines.simulated.container import Container
from spin.engines.simulated.held import Held, Subnets
from spin.errors import EngineUnavailable
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey, InstanceId
from spin.model.stack import Port, Protocol


class Machine:
    """That part of the simulated engine on which all others stand.

    What concerns one deployment costs the same however many others there are.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.reachable = True
        self.images: set[str] = set()
        """Pinned images that are present."""
        self.foreign_ports: dict[Port, str] = {}
        """Published ports that programs outside the platform hold, and who they are (`target` is of no account)."""
        self._clock = clock
        self._held: dict[DeploymentKey, Held] = {}
        self._owners: dict[InstanceId, DeploymentKey] = {}
        self._publishers: dict[tuple[int, Protocol], dict[InstanceId, Container]] = {}
        self._subnets = Subnets()
        self._listeners: list[asyncio.Queue[DeploymentKey]] = []
        self._due: list[tuple[datetime, DeploymentKey]] = []
        self._next: dict[DeploymentKey, datetime] = {}
        self._texts: dict[DeploymentKey, str] = {}

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
