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
    message="`{key}` would give the container devices of the host.",
    instead="Leave `{key}` out; ask the operators if the service cannot do without.",
    find=_find,
)
