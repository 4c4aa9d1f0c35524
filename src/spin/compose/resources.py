"""Limits and reservations of a service: `deploy.resources`, and the keys of version 2 that say the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from spin.compose.cursor import Cursor
from spin.compose.forms import size_bytes
from spin.kit.text import quoted
from spin.model.stack import Resources

N = TypeVar("N", int, float)

LEAST_MEMORY = 6 * 1024 * 1024
"""Docker Engine starts no container with less memory, bytes."""
MOST_CPUS = 1024
MOST_PIDS = 4_194_304
"""Linux has no more (PID_MAX_LIMIT)."""
PERIOD_US = 100_000
"""What `cpu_quota` is divided by where `cpu_period` is left out, microseconds (Linux's own default)."""
CORE_SHARES = 1024
"""`cpu_shares` of one core's worth."""


def lower_resources(service: Cursor) -> Resources:
    """Raises InvalidInput, also where two keys that mean the same say different things (as Docker Compose does)."""
    limits, reserved = _section(service, "limits"), _section(service, "reservations")
    found = Resources(
        cpus=_agreed(_Said("deploy.resources.limits.cpus", limits, "cpus", _cpus), _Said("cpus", service, "cpus", _cpus))
        or _quota(service),
        memory_bytes=_agreed(
            _Said("deploy.resources.limits.memory", limits, "memory", _memory), _Said("mem_limit", service, "mem_limit", _limit)
        ),
        pids=_agreed(
            _Said("deploy.resources.limits.pids", limits, "pids", _pids), _Said("pids_limit", service, "pids_limit", _pids)
        ),
        reserved_cpus=_agreed(_Said("deploy.resources.reservations.cpus", reserved, "cpus", _cpus)),
        reserved_memory_bytes=_agreed(
            _Said("deploy.resources.reservations.memory", reserved, "memory", _memory),
            _Said("mem_reservation", service, "mem_reservation", _limit),
        ),
    )
    if found.cpus and found.reserved_cpus and found.reserved_cpus > found.cpus:
        _resources(service).fail("more CPUs are reserved than the limit allows; raise the limit or reserve less.")
    if found.memory_bytes and found.reserved_memory_bytes and found.reserved_memory_bytes > found.memory_bytes:
        _resources(service).fail("more memory is reserved than the limit allows; raise the limit or reserve less.")
    return _weighed(found, service)


@dataclass(frozen=True, slots=True)
class _Said(Generic[N]):
    """A key that says a number, or nothing."""

    name: str
    section: Cursor | None
    key: str
    read: Callable[[Cursor], N | None]

    def value(self) -> N | None:
        found = self.section.get(self.key) if self.section else None
        return None if found is None else self.read(found)


def _agreed(*places: _Said[N]) -> N | None:
    """What the places say, which must be the same."""
    said = [(place, value) for place in places if (value := place.value()) is not None]
    if len(said) > 1 and said[0][1] != said[1][1]:
        (first, one), (second, other) = said
        assert second.section is not None  # noqa: S101 - it has said something
        second.section.at(second.key, None).fail(
            f"`{second.name}` says {other:g} and `{first.name}` says {one:g}; keep one of them."
        )
    return said[0][1] if said else None


def _section(service: Cursor, name: str) -> Cursor | None:
    found = _resources(service)
    return None if found.value is None else found.get(name)


def _resources(service: Cursor) -> Cursor:
    """`deploy.resources`; its value is None where there is none."""
    deploy = service.get("deploy")
    found = deploy.get("resources") if deploy else None
    return found or Cursor(None, f"{service.path}.deploy.resources", service.positions)


def _cpus(found: Cursor) -> float | None:
    """0 is no limit, as the engine has it."""
    return found.number(0.01, MOST_CPUS) if found.number(0, MOST_CPUS) else None


def _memory(found: Cursor) -> int | None:
    """A size; 0 is none."""
    size = found.read(size_bytes)
    if 0 < size < LEAST_MEMORY:
        found.fail(f"{quoted(found.value)} is less than the 6 MiB that a container needs; write for example 64m.")
    return size or None


def _limit(found: Cursor) -> int | None:
    """The same in the keys of version 2, where -1 is none too."""
    return None if str(found.value).strip() == "-1" else _memory(found)


def _pids(found: Cursor) -> int | None:
    number = found.integer(-1, MOST_PIDS)
    return number if number > 0 else None


def _quota(service: Cursor) -> float | None:
    """Cores that `cpu_quota` and `cpu_period` come to."""
    quota, period = service.get("cpu_quota"), service.get("cpu_period")
    length = period.integer(0, 1_000_000) if period else 0
    if quota is None:
        return None
    number = quota.integer(-1, MOST_CPUS * 1_000_000)
    if number <= 0:
        return None
    cores = round(number / (length or PERIOD_US), 6)
    if not 0.01 <= cores <= MOST_CPUS:
        quota.fail(f"this comes to {cores:g} cores; write `cpus`, from 0.01 to {MOST_CPUS}.")
    return cores


def _weighed(found: Resources, service: Cursor) -> Resources:
    """With `cpu_shares` as a reservation, within the limit, where nothing else is reserved."""
    shares = service.get("cpu_shares")
    weight = shares.integer(0, MOST_CPUS * CORE_SHARES) if shares else 0
    if not weight or found.reserved_cpus is not None:
        return found
    reserved = max(0.01, round(weight / CORE_SHARES, 3))
    return replace(found, reserved_cpus=min(reserved, found.cpus) if found.cpus else reserved)
