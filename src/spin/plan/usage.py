"""Use of resources: what lies between two looks, steps put together, and whether limits fit. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from spin.model.usage import STEP, Sample, Usage

ENOUGH = timedelta(hours=3)
"""Advice needs so much of remembered use: less has not seen a morning."""
FAR_ABOVE = 4
"""A limit of more than so many times the peak is far above it..."""
SPARE_MEMORY = 256 * 2**20
"""...if at least so many bytes lie between (smaller ones are nobody's concern)..."""
SPARE_MILLICORES = 500
"""...or so many thousandths of a core."""
NEAR = 0.9
"""A peak above this part of the memory limit is too near to it: the next one ends the container."""
OFTEN_THROTTLED = 0.05
"""A container that wanted more processor time than it got in more than this part of the periods is slow because of its limit."""
_MEMORY_ROOM, _CPU_ROOM = 1.5, 2.0
_MEMORY_GRAIN, _CPU_GRAIN = 64 * 2**20, 250


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample, and how fast it got there."""

    sample: Sample
    cpu: float | None
    """Cores that were used on average since the sample before; None where there is none."""
    seconds: float = 0.0
    """Length of that time."""
    received: int = 0
    """Bytes in that time, as the next three."""
    sent: int = 0
    read: int = 0
    written: int = 0
    periods: int = 0
    throttled: int = 0


def reading(before: Sample | None, after: Sample) -> Reading:
    """What `after` comes to. A counter that is smaller than before has begun again, with a new run of the container."""
    seconds = 0.0 if before is None else (after.time - before.time).total_seconds()
    if before is None or before.id != after.id or seconds <= 0:
        return Reading(after, None)
    return Reading(
        after,
        cpu=_grown(before.cpu_ns, after.cpu_ns) / 1e9 / seconds,
        seconds=seconds,
        received=_grown(before.received, after.received),
        sent=_grown(before.sent, after.sent),
        read=_grown(before.read, after.read),
        written=_grown(before.written, after.written),
        periods=_grown(before.periods, after.periods),
        throttled=_grown(before.throttled, after.throttled),
    )


def _grown(before: int, after: int) -> int:
    return after - before if after >= before else after


def step_of(moment: datetime, step: timedelta = STEP) -> datetime:
    """The beginning of the step that `moment` is in."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def summed(readings: Iterable[Reading]) -> tuple[Usage, ...]:
    """One round of readings as use, by service. Those without a reading before count for memory only."""
    found: dict[tuple[str, str], Usage] = {}
    for each in readings:
        sample = each.sample
        cpu = None if each.cpu is None else round(each.cpu * 1000)
        one = Usage(
            sample.key,
            sample.service,
            step_of(sample.time),
            samples=1,
            containers=1,
            cpu_avg=cpu or 0,
            cpu_min=cpu or 0,
            cpu_max=cpu or 0,
            cpu_limit=round(sample.cpus * 1000),
            periods=each.periods,
            throttled=each.throttled,
            memory_avg=sample.memory,
            memory_min=sample.memory,
            memory_max=sample.memory,
            memory_limit=sample.memory_limit,
            received=each.received,
            sent=each.sent,
            read=each.read,
            written=each.written,
        )
        name = (str(sample.key), sample.service)
        before = found.get(name)
        found[name] = one if before is None else replace(merge(before, one), containers=before.containers + 1)
    return tuple(found.values())


def merge(old: Usage, new: Usage) -> Usage:
    """Two pieces of use of one service as one, which begins with `old`."""
    if not old.samples or not new.samples:
        some = new if new.samples else old
        return replace(some, start=old.start, failed=old.failed + new.failed)
    samples = old.samples + new.samples

    def average(one: int, other: int) -> int:
        return round((one * old.samples + other * new.samples) / samples)

    return replace(
        new,
        start=old.start,
        samples=samples,
        containers=max(old.containers, new.containers),
        cpu_avg=average(old.cpu_avg, new.cpu_avg),
        cpu_min=min(old.cpu_min, new.cpu_min),
        cpu_max=max(old.cpu_max, new.cpu_max),
        periods=old.periods + new.periods,
        throttled=old.throttled + new.throttled,
        memory_avg=average(old.memory_avg, new.memory_avg),
        memory_min=min(old.memory_min, new.memory_min),
        memory_max=max(old.memory_max, new.memory_max),
        received=old.received + new.received,
        sent=old.sent + new.sent,
        read=old.read + new.read,
        written=old.written + new.written,
        failed=old.failed + new.failed,
    )


def coarser(steps: Iterable[Usage], step: timedelta) -> tuple[Usage, ...]:
    """The same use in longer steps, by service and time."""
    found: dict[tuple[str, datetime], Usage] = {}
    for each in sorted(steps, key=lambda u: (u.service, u.start)):
        name = (each.service, step_of(each.start, step))
        before = found.get(name)
        found[name] = replace(each, start=name[1]) if before is None else merge(before, each)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Misfit:
    """A limit that does not fit."""

    resource: str
    """`memory` or `cpus`."""
    verdict: str
    """`above`: far more than is used; `below`: too little."""
    limit: str
    """As a Compose file says it, as the next two."""
    peak: str
    """The most that one container has used."""
    write: str
    """What to write at `deploy.resources.limits`."""
    message: str
    """A sentence with all of it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What the remembered use says of one service's limits."""

    service: str
    hours: float
    """How much is remembered, hours of running."""
    enough: bool
    """There is enough of it for advice."""
    misfits: tuple[Misfit, ...] = ()
    """Limits that do not fit; none is well."""


def advice(steps: Sequence[Usage]) -> tuple[Advice, ...]:
    """What `steps` of any services say of their limits, by service."""
    by_service: dict[str, list[Usage]] = {}
    for each in steps:
        if each.samples:
            by_service.setdefault(each.service, []).append(each)
    return tuple(_advice(service, some) for service, some in sorted(by_service.items()))


def _advice(service: str, steps: list[Usage]) -> Advice:
    steps.sort(key=lambda u: u.start)
    hours = len(steps) * STEP / timedelta(hours=1)
    if hours * timedelta(hours=1) < ENOUGH:
        return Advice(service, hours, enough=False)
    # What an earlier limit did is no longer of account.
    last = steps[-1]
    memory = [u for u in steps if u.memory_limit == last.memory_limit]
    cpus = [u for u in steps if u.cpu_limit == last.cpu_limit]
    found = [_memory(service, last.memory_limit, max(u.memory_max for u in memory)), _cpus(service, last.cpu_limit, cpus)]
    return Advice(service, hours, enough=True, misfits=tuple(m for m in found if m is not None))


def _memory(service: str, limit: int, peak: int) -> Misfit | None:
    if not limit:
        return None
    good = max(1, math.ceil(peak * _MEMORY_ROOM / _MEMORY_GRAIN)) * _MEMORY_GRAIN
    if peak > limit * NEAR:
        verdict, said = "below", "needs nearly all of its memory limit, and is killed when it needs more"
    elif limit > FAR_ABOVE * peak and limit - peak > SPARE_MEMORY and good < limit:
        verdict, said = "above", "has a memory limit far above what it uses"
    else:
        return None
    write = f"memory: {good // 2**20}M"
    return _misfit(service, "memory", verdict, said, f"{limit // 2**20}M", f"{peak / 2**20:.0f}M", write)


def _cpus(service: str, limit: int, steps: list[Usage]) -> Misfit | None:
    if not limit:
        return None
    peak = max(u.cpu_max for u in steps)
    periods = sum(u.periods for u in steps)
    share = sum(u.throttled for u in steps) / periods if periods else 0.0
    if share > OFTEN_THROTTLED:
        good = math.ceil(limit * _MEMORY_ROOM / _CPU_GRAIN) * _CPU_GRAIN
        verdict, said = "below", f"was held back by its limit of processor time in {share:.0%} of the time that it worked"
    else:
        good = max(1, math.ceil(peak * _CPU_ROOM / _CPU_GRAIN)) * _CPU_GRAIN
        if not (limit > FAR_ABOVE * peak and limit - peak > SPARE_MILLICORES and good < limit):
            return None
        verdict, said = "above", "has a limit of processor time far above what it uses"
    write = f'cpus: "{good / 1000:g}"'
    return _misfit(service, "cpus", verdict, said, f"{limit / 1000:g}", f"{peak / 1000:g}", write)


def _misfit(service: str, resource: str, verdict: str, said: str, limit: str, peak: str, write: str) -> Misfit:
    message = f"{service} {said}: the limit is {limit}, the peak {peak}. Write `{write}` at deploy.resources.limits."
    return Misfit(resource, verdict, limit, peak, write, message)
