"""Prometheus' text form: what the process counts about itself, and how the stacks stand."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from spin import __version__
from spin.model.status import State
from spin.usecases.metrics import Measured

CONTENT_TYPE = CONTENT_TYPE_LATEST

REQUESTS = Counter("spin_api_requests", "Requests that the API has answered.", ("method", "route", "status"))
SECONDS = Histogram(
    "spin_api_request_seconds",
    "How long an answer has taken, long polls and streams included.",
    ("method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

_STACK = ("project", "environment", "stack")


def render(stacks: Iterable[Measured], *, process: bool) -> bytes:
    """The text. `process`: with what the process counts about itself, which is the operators' business."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Stacks(tuple(stacks)))
    return (generate_latest(REGISTRY) if process else b"") + generate_latest(registry)


class _Stacks:
    """A collector over values that have been read already."""

    def __init__(self, stacks: tuple[Measured, ...]) -> None:
        self._stacks = stacks

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("spin_info", "The version that runs.", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info
        yield self._states()
        yield from self._each()

    def _states(self) -> Metric:
        tally = Tally((m.deployment.key.environment, _state(m)) for m in self._stacks)
        family = GaugeMetricFamily("spin_stacks", "How many stacks are in a state.", labels=("environment", "state"))
        for (environment, state), count in sorted(tally.items()):
            family.add_metric((environment, state), count)
        return family

    def _each(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("spin_stack_state", "1 for the state in which a stack is.", labels=(*_STACK, "state"))
        revision = GaugeMetricFamily("spin_stack_revision", "Number of the wanted revision.", labels=_STACK)
        upgrade = GaugeMetricFamily("spin_stack_unconfirmed", "1 while an upgrade waits for a confirmation.", labels=_STACK)
        seen = GaugeMetricFamily(
            "spin_stack_observed_seconds", "When the stack was last seen otherwise (Unix time).", labels=_STACK
        )
        wanted = GaugeMetricFamily(
            "spin_service_wanted", "How many containers a service should have.", labels=(*_STACK, "service")
        )
        ready = GaugeMetricFamily("spin_service_ready", "How many containers of a service serve.", labels=(*_STACK, "service"))
        restarts = GaugeMetricFamily(
            "spin_container_restarts",
            "How often the engine has started a container again.",
            labels=(*_STACK, "service", "container"),
        )
        cpu = GaugeMetricFamily(
            "spin_service_cpu_cores",
            "Cores that a service's containers used together in the last minute.",
            labels=(*_STACK, "service"),
        )
        memory = GaugeMetricFamily(
            "spin_service_memory_bytes", "Memory that a service's containers use together.", labels=(*_STACK, "service")
        )
        for measured in self._stacks:
            for use in measured.uses:
                cpu.add_metric((*_names(measured), use.service), use.cpu)
                memory.add_metric((*_names(measured), use.service), use.memory)
            names = _names(measured)
            state.add_metric((*names, _state(measured)), 1)
            revision.add_metric(names, measured.deployment.revision)
            upgrade.add_metric(names, 0 if measured.deployment.upgrade is None else 1)
            if measured.status is None:
                continue
            seen.add_metric(names, measured.status.observed.timestamp())
            for service in measured.status.services:
                wanted.add_metric((*names, service.service), service.wanted)
                ready.add_metric((*names, service.service), service.ready)
            for instance in measured.status.instances:
                if instance.current:
                    restarts.add_metric((*names, instance.service, instance.name), instance.restarts)
        yield from (state, revision, upgrade, seen, wanted, ready, restarts, cpu, memory)


def _state(measured: Measured) -> str:
    return State.INITIALIZING.value if measured.status is None else measured.status.state.value


def _names(measured: Measured) -> tuple[str, str, str]:
    key = measured.deployment.key
    return key.project, key.environment, key.stack
