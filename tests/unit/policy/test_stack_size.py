"""What the containers of a stack may ask for together."""

from __future__ import annotations

import pytest

from spin.site import Limits, Site
from support.compose import findings

GIB = 1024**3


def asked(services: str, **limits: float) -> list[tuple[str, str | None, str | None]]:
    """Message, service and key of each finding of the rule."""
    site = Site(limits=Limits(**limits))  # type: ignore[arg-type]  # numbers of either kind, by name
    found = [f for f in findings(f"services:\n{services}", site=site) if f.rule == "stack-size"]
    return [(f.message, f.service, f.key) for f in found]


def service(name: str, replicas: int = 1, **limits: str) -> str:
    resources = f", resources: {{limits: {{{', '.join(f'{k}: {v!r}' for k, v in limits.items())}}}}}" if limits else ""
    return f"  {name}: {{image: 'nginx:1', deploy: {{replicas: {replicas}{resources}}}}}\n"


def test_limits_times_replicas_are_added_up_and_the_service_that_asks_for_most_is_named() -> None:
    text = service("db", memory="3g", cpus="1") + service("web", 10, memory="512m", cpus="0.5")
    assert asked(text, stack_memory_bytes=8 * GIB, stack_cpus=6) == []
    assert asked(text, stack_memory_bytes=15 * GIB // 2, stack_cpus=5.5) == [
        (
            "The stack's containers ask for 8 GiB together, most of all web (10 of 0.5 GiB each); 7.5 GiB are allowed.",
            "web",
            "services.web.deploy.resources.limits.memory",
        ),
        (
            "The stack's containers ask for 6 CPUs together, most of all web (10 of 0.5 CPUs each); 5.5 CPUs are allowed.",
            "web",
            "services.web.deploy.resources.limits.cpus",
        ),
    ]


def test_what_the_file_does_not_say_is_the_sites_default() -> None:
    limits = {"memory_bytes": 2 * GIB, "cpus": 2.0}
    assert asked(service("web", 4), stack_memory_bytes=8 * GIB, stack_cpus=8, **limits) == []
    assert len(asked(service("web", 5), stack_memory_bytes=8 * GIB, stack_cpus=8, **limits)) == 2


def test_a_reservation_that_raises_a_limit_counts() -> None:
    text = "  db: {image: 'nginx:1', deploy: {resources: {reservations: {memory: 12g}}}}\n"
    assert len(asked(text, stack_memory_bytes=11 * GIB)) == 1


def test_a_service_of_which_nothing_runs_asks_for_nothing_and_a_job_for_one_container() -> None:
    assert asked(service("web", 0, memory="32g"), stack_memory_bytes=GIB) == []
    job = "  dump: {image: 'nginx:1', mem_limit: 2g, x-spin: {schedule: '@daily', overlap: allow}}\n"
    assert asked(job, stack_memory_bytes=2 * GIB) == []
    assert len(asked(job, stack_memory_bytes=GIB)) == 1


@pytest.mark.parametrize("key", ["stack_memory_bytes", "stack_cpus"])
def test_zero_is_no_ceiling(key: str) -> None:
    many = "".join(service(f"s{n}", 20, memory="64g", cpus="64") for n in range(50))
    assert len(asked(many)) == 2
    assert len(asked(many, **{key: 0})) == 1


def test_the_usual_site_lets_a_large_stack_pass() -> None:
    assert asked("".join(service(f"s{n}", 10) for n in range(50))) == []
