"""Devices of the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, is_said, keys_said

KEYS = ("devices", "device_cgroup_rules", "gpus", "runtime")


def _reserved(content: Mapping[str, Any]) -> Any:
    found: Any = content
    for key in ("deploy", "resources", "reservations", "devices"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _find(case: Case) -> Iterator[Place]:
    yield from keys_said(case, *KEYS)
    for service, content in case.services():
        if is_said(_reserved(content)):
            yield Place(f"services.{service}.deploy.resources.reservations.devices", service, {"key": "devices"})


RULE = Rule(
    code="devices",
    severity=Severity.REFUSE,
    title="A container gets no devices of the host",
    message="`{key}` would give the container devices of the host.",
    instead="Leave `{key}` out; ask the operators if the service cannot do without.",
    why="A disk handed to a container holds every other stack's data, and cgroup rules or another runtime are ways to "
    "the same place. GPUs are refused with them: the platform is made for services, and heavy computation belongs "
    "on the institution's compute systems.",
    example="""
        services:
          web:
            image: nginx:1.27
            devices: ["/dev/sda:/dev/sda"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            tmpfs: [/scratch]
    """,
    find=_find,
)
