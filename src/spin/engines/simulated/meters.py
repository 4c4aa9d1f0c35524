"""What simulated containers use: what they are told to, from the moment that they started."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from spin.engines.simulated.container import Container
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.observed import Instance, Phase
from spin.model.usage import Sample
from spin.model.why import ProbeAnswer, Probed

CORES = 0.1
MEMORY = 32 * 2**20


class Meters:
    """That part of the simulated engine, which has `_measured` and `_clock`."""

    _clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[InstanceId, dict[str, Any]] = {}

    def _measured(self) -> Iterator[Container]:
        """All containers that run. Raises EngineUnavailable."""
        raise NotImplementedError

    async def probes(self, key: DeploymentKey) -> tuple[Probed, ...]:
        now = self._clock.now()
        mine = [c for c in self._measured() if c.key == key and c.spec.healthcheck is not None]
        return tuple(_probed(c, c.observed(now), now) for c in mine)

    async def stats(
        self,
        project: str | None = None,
        environment: str | None = None,
        stack: str | None = None,
        *,
        over: float = 0.0,  # noqa: ARG002 - a look costs nothing here
    ) -> tuple[Sample, ...]:
        now = self._clock.now()
        wanted = ((c, c.key) for c in self._measured())
        return tuple(
            self._sample(container, now)
            for container, key in wanted
            if project in (None, key.project) and environment in (None, key.environment) and stack in (None, key.stack)
        )

    def use(self, id: InstanceId, **counters: Any) -> None:
        """From now on these counters of `spin.model.usage.Sample` stand at what is given."""
        self._told.setdefault(id, {}).update(counters)

    def _sample(self, container: Container, now: datetime) -> Sample:
        begun = container.started or now
        seconds = max(0.0, (now - begun).total_seconds())
        limits = container.spec.resources
        sample = Sample(
            container.key,
            container.spec.name,
            container.slot,
            container.id,
            container_name(container.key.stack, container.spec.name, container.slot),
            now,
            cpu_ns=round(seconds * CORES * 1e9),
            cpus=limits.cpus or 2.0,
            memory=MEMORY,
            memory_limit=limits.memory_bytes or 0,
            pids=1,
        )
        return replace(sample, **self._told.get(container.id, {}))


def _probed(container: Container, seen: Instance, now: datetime) -> Probed:
    """As of now: the one answer that would come."""
    check = container.spec.healthcheck
    kind, *words = (*check.test, "") if check is not None else ("",)
    bad = seen.phase is Phase.UNHEALTHY
    return Probed(
        container.id,
        container_name(container.key.stack, container.spec.name, container.slot),
        container.spec.name,
        shlex.join(words[:-1]) if kind == "CMD" else "".join(words[:1]),
        (ProbeAnswer(now, int(bad), container.observed(now).detail if bad else "ok"),),
    )
