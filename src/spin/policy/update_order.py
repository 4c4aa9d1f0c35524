"""`order: start-first` where two copies must not run at once: the order is stop-first all the same (`ServiceSpec.update_order`)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec, UpdateOrder
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        if service.update.order is UpdateOrder.START_FIRST and service.alone:
            path = f"services.{service.name}.deploy.update_config.order"
            yield Place(path, service.name, {"reason": _reason(service)})


def _reason(service: ServiceSpec) -> str:
    if service.ports:
        return f"publishes port {service.ports[0].published} of the host, which one container can hold at a time"
    volume = next(mount.volume for mount in service.mounts if not mount.read_only)
    return f"writes to the volume {volume}, and two writers at once may damage what is there"


RULE = Rule(
    code="update-order",
    severity=Severity.WARN,
    title="A service that must run alone is stopped before its next container starts",
    message="The service {reason}: an upgrade stops the old container before the new one starts, not `start-first`.",
    instead="Write `order: stop-first` or leave it out, and expect a short gap in each upgrade of this service.",
    why="A service that writes to a volume or holds a port of the host cannot run twice at once, not even for the "
    "moment of an upgrade. So its old container stops first, whatever `order` says; the warning is there so that "
    "nobody counts on an upgrade without a gap.",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes: ["data:/data"]
            deploy: {update_config: {order: start-first}}
        volumes:
          data:
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            volumes: ["data:/data"]
            deploy: {update_config: {order: stop-first}}
        volumes:
          data:
    """,
    find=_find,
)
