"""Where services have no stable addresses, a client that keeps what it looked up once loses the service in an upgrade.

Judged only where the engine has none: see `ENGINE_RULES`.
"""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import Restart, ServiceSpec, UpdateOrder
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    services = case.spec.services
    called = [s.name for s in services if _moves(s) and any(_reaches(other, s) for other in services)]
    if called:
        yield Place("services", None, {"services": ", ".join(called), "one": called[0]})


def _moves(service: ServiceSpec) -> bool:
    """Its next container runs beside the old one, so with another address."""
    runs_on = service.restart is not Restart.NO and service.schedule is None
    return runs_on and not service.retain_ip and service.update_order is UpdateOrder.START_FIRST


def _reaches(client: ServiceSpec, service: ServiceSpec) -> bool:
    joined = {a.network for a in service.networks}
    return client.name != service.name and any(a.network in joined for a in client.networks)


RULE = Rule(
    code="service-addresses",
    severity=Severity.ADVISE,
    title="Where addresses change, clients look names up again",
    message="Services have no stable addresses in this environment: a client in the stack that looks up {services} only once, "
    "as nginx does, or that caches the answer, calls a container that is gone after an upgrade, and its calls fail.",
    instead="Let clients look names up again (nginx: `resolver 127.0.0.11 valid=1s;` and a variable in `proxy_pass`), or write "
    "`retain_ip: true` at the service that is called, such as {one}: its address stays, with a short gap in each upgrade.",
    why="On an engine without stable service addresses a new container has a new address. A client that looks a name up "
    "once at its start, as nginx does, goes on calling the old container after it is gone: the 502 that users of "
    "the original platform met after upgrading the service behind their nginx. `retain_ip: true` was that "
    "platform's remedy, and works here too.",
    example="""
        services:
          web:
            image: nginx:1.27
          app:
            image: python:3.12
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            retain_ip: true
          app:
            image: python:3.12
            retain_ip: true
    """,
    find=_find,
)
