"""What a service with a schedule cannot have."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import Overlap, Restart, ServiceSpec
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    jobs = {s.name for s in case.spec.services if s.schedule is not None}
    for service in case.spec.services:
        if service.schedule is not None:
            for key, what, advice in _ill_fitting(service):
                yield Place(f"services.{service.name}.{key}", service.name, {"what": what, "advice": advice})
        for dependency in service.depends_on:
            if dependency.service in jobs:
                what = f"{service.name} depends on {dependency.service}, which runs at its times only"
                advice = (
                    'Take the dependency away; what is to run before others is a service without a schedule, with `restart: "no"` and '
                    "`service_completed_successfully`."
                )
                yield Place(f"services.{service.name}.depends_on", service.name, {"what": what, "advice": advice})


def _ill_fitting(service: ServiceSpec) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong, what to do)."""
    if service.replicas != 1:
        what = f"{service.replicas} replicas are asked for of a job, which has one container for each run"
        yield "deploy.replicas", what, "Leave `replicas` out; `spin stop` keeps a job from running."
    if service.http is not None:
        yield "x-spin.http", "A job has a port for HTTP, and nobody would answer there between its runs", "Leave `http` out."
    if service.ports:
        yield "ports", "A job publishes a port, and nobody would answer there between its runs", "Leave `ports` out."
    if service.restart in (Restart.ALWAYS, Restart.UNLESS_STOPPED):
        what = f"A job has `restart: {service.restart.value}`, and its runs would never end"
        yield "restart", what, 'Leave `restart` out, or write "no" or on-failure:3.'
    if service.restart is Restart.ON_FAILURE and not service.restart_limit:
        yield "restart", "A job has `restart: on-failure` without an end, and its runs might never end", "Write on-failure:3."
    if (
        service.schedule is not None
        and service.schedule.overlap is Overlap.ALLOW
        and any(not m.read_only for m in service.mounts)
    ):
        what = "Runs may overlap, and they write to the same volume"
        yield "x-spin.overlap", what, "Write `overlap: skip` or `overlap: replace`, or mount the volume with `read_only: true`."


RULE = Rule(
    code="job-form",
    severity=Severity.REFUSE,
    title="A job is one container that ends",
    message="{what}.",
    instead="{advice}",
    why="A service with a schedule has a container for each of its runs, and none between them. So there is nothing that could "
    "be reached at a port, counted as a replica, or waited for; and what is started again for ever has no end that could be told.",
    example="""
        services:
          backup:
            image: alpine:3.20
            restart: always
            x-spin: {schedule: "15 3 * * *", timeout: 1h}
    """,
    fixed="""
        services:
          backup:
            image: alpine:3.20
            x-spin: {schedule: "15 3 * * *", timeout: 1h}
    """,
    find=_find,
)
