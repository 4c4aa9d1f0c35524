"""What containers use, as the engine counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import Client
from spin.engines.docker.labels import Kind
from spin.engines.docker.observe import NEVER, moment
from spin.model.names import InstanceId, container_name
from spin.model.usage import Sample
from spin.site import Site

AT_ONCE = 32
"""Looks at a time. Docker 20.10 lets many of them wait for a second; with so many at a time 1,000 containers fit into a minute."""

Limits = tuple[float, int]
"""Cores and bytes; 0 = none."""


class Meters:
    def __init__(self, client: Client, site: Site) -> None:
        self._client = client
        self._site = site
        self._limits: dict[str, Limits] = {}
        """By container. One whose limits somebody changes is replaced, so they are asked for once."""

    async def stats(self, names: Mapping[str, str | None], over: float) -> tuple[Sample, ...]:
        exact = {name: value for name, value in names.items() if value is not None}
        listed = await self._client.get("containers/json", filters=labels.selector(self._site.id, None, Kind.CONTAINER, **exact))
        if not exact:
            there = {c["Id"] for c in listed}
            self._limits = {each: known for each, known in self._limits.items() if each in there}
        room = asyncio.Semaphore(AT_ONCE)
        pause = over / len(listed) if listed else 0.0
        try:
            async with asyncio.TaskGroup() as tasks:
                looks = [tasks.create_task(self._look(each, room, pause * number)) for number, each in enumerate(listed)]
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return tuple(sample for sample in (look.result() for look in looks) if sample is not None)

    async def _look(self, container: Mapping[str, Any], room: asyncio.Semaphore, after: float) -> Sample | None:
        """None for a container that does not run any more."""
        which = container["Id"]
        await asyncio.sleep(after)
        async with room:
            try:
                if which not in self._limits:
                    self._limits[which] = limits((await self._client.get(f"containers/{which}/json"))["HostConfig"])
                # Without `one-shot` the engine looks twice, a second apart.
                counted = await self._client.get(f"containers/{which}/stats", stream="false", **{"one-shot": "true"})
            except DockerError as error:
                if error.status in (404, 409):
                    return None
                raise
        return None if counted is None else sample(container, counted, self._limits[which])  # one that ends meanwhile: no body


def limits(config: Mapping[str, Any]) -> Limits:
    """Those of a container's HostConfig."""
    cpus = (config.get("NanoCpus") or 0) / 1e9
    if not cpus and (config.get("CpuQuota") or 0) > 0:
        cpus = config["CpuQuota"] / (config.get("CpuPeriod") or 100_000)
    return cpus, config.get("Memory") or 0


def sample(container: Mapping[str, Any], counted: Mapping[str, Any], limits: Limits) -> Sample | None:
    """What the engine's counters come to; None where it did not run when they were read."""
    marks, time = container["Labels"], moment(counted.get("read"))
    key = labels.key_of(marks)
    if key is None or time == NEVER:
        return None
    cpu, memory = counted.get("cpu_stats") or {}, counted.get("memory_stats") or {}
    networks = (counted.get("networks") or {}).values()
    disk = (counted.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    throttling = cpu.get("throttling_data") or {}
    service, slot = marks[labels.SERVICE], int(marks[labels.SLOT])
    return Sample(
        key=key,
        service=service,
        slot=slot,
        id=InstanceId(container["Id"]),
        container=container_name(key.stack, service, slot),
        time=time,
        cpu_ns=(cpu.get("cpu_usage") or {}).get("total_usage", 0),
        cpus=limits[0] or float(cpu.get("online_cpus") or 0),
        periods=throttling.get("periods", 0),
        throttled=throttling.get("throttled_periods", 0),
        memory=working_set(memory),
        memory_limit=limits[1],
        received=sum(n["rx_bytes"] for n in networks),
        sent=sum(n["tx_bytes"] for n in networks),
        read=_bytes(disk, "read"),
        written=_bytes(disk, "write"),
        pids=(counted.get("pids_stats") or {}).get("current", 0),
    )


def working_set(memory: Mapping[str, Any]) -> int:
    """Bytes in use, as `docker stats` counts them: the inactive part of the page cache is the kernel's to take.

    cgroup v1 calls that `total_inactive_file`, v2 `inactive_file` (v1's value of that name leaves out the groups below).
    """
    stats = memory.get("stats") or {}
    idle = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    usage = int(memory.get("usage", 0))
    return usage - idle if idle < usage else usage


def _bytes(entries: Iterable[Mapping[str, Any]], operation: str) -> int:
    return sum(entry["value"] for entry in entries if entry["op"].lower() == operation)
