"""`ulimits`: limits of the kernel for each process."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Place, Rule
from spin.site import Limits

_MOST = {"msgqueue": 819_200, "nice": 20, "rtprio": 0, "sigpending": 1_048_576}
"""Queues of messages are kernel memory (Linux's own default is this); 20 is no better than everybody; real time is nobody's."""
_NO_SWAP = "Leave it out: containers have no swap, so their memory stays in memory without being locked."


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        for limit in service.ulimits:
            most = _ceiling(limit.name, service, case.site.limits)
            if most is not None and (limit.hard == -1 or limit.hard > most):
                values = {"name": limit.name, "value": "no limit" if limit.hard == -1 else limit.hard, "most": most}
                instead = _NO_SWAP if limit.name == "memlock" else None
                yield Place(f"services.{service.name}.ulimits.{limit.name}", service.name, values, instead)


def _ceiling(name: str, service: ServiceSpec, limits: Limits) -> int | None:
    """The most that the hard limit may be; None where the container's other limits hold anyway."""
    if name == "nofile":
        return limits.most_open_files
    if name == "memlock":
        return service.resources.memory_bytes or limits.memory_bytes
    return _MOST.get(name)


RULE = Rule(
    code="ulimits",
    severity=Severity.REFUSE,
    title="Limits of the kernel stay within the site's",
    message="`{name}` asks for {value}; a container gets at most {most}.",
    instead="Write at most {most}, or leave it out.",
    why="What the kernel keeps for a process (open files, locked memory, queues of messages, real-time priority) is "
    "memory or time of all. Most limits hold no more than the container's own limits of memory and processes do, "
    "and may be set at will.",
    example="""
        services:
          search:
            image: elasticsearch:8.15.0
            ulimits: {memlock: -1}
    """,
    fixed="""
        services:
          search:
            image: elasticsearch:8.15.0
            environment: {bootstrap.memory_lock: "false"}
    """,
    find=_find,
)
