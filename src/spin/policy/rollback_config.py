"""`rollback_config` is read but not used: a rollback goes by `update_config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        deploy = content.get("deploy")
        if isinstance(deploy, Mapping):
            update, rollback = _settings(deploy, "update_config"), _settings(deploy, "rollback_config")
            other = [key for key, value in rollback.items() if value is not None and update.get(key) != value]
            if other:
                yield Place(f"services.{service}.deploy.rollback_config", service, {"keys": ", ".join(map(str, other))})


def _settings(deploy: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = deploy.get(key)
    return found if isinstance(found, Mapping) else {}


RULE = Rule(
    code="rollback-config",
    severity=Severity.WARN,
    title="A rollback goes by `update_config`",
    message="A rollback goes by `update_config`, where {keys} is not what `rollback_config` says.",
    instead="Leave `rollback_config` out, or write in `update_config` what shall hold for both.",
    why="A rollback is an upgrade to what ran before, within the same limits. `rollback_config` is read, since many "
    "files have it, but where it differs from `update_config` nothing of it happens.",
    example="""
        services:
          web:
            image: nginx:1.27
            deploy:
              rollback_config: {parallelism: 2}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy:
              update_config: {parallelism: 2}
              rollback_config: {parallelism: 2}
    """,
    find=_find,
)
