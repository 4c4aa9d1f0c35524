"""Volumes without a name: nobody could find their data again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule, items
from spin.policy.host_path import short_source


def target_of_anonymous(entry: Any) -> str | None:
    """The container's path of a volume without a name; None for every other entry."""
    if isinstance(entry, Mapping):
        return str(entry.get("target")) if entry.get("type") == "volume" and entry.get("source") is None else None
    if entry is None or isinstance(entry, bool | list):
        return None  # no entry at all, which lowering says
    return str(entry) if short_source(str(entry)) is None else None


def _find(case: Case) -> Iterator[Place]:
    for service, content in case.services():
        for index, entry in items(content.get("volumes")):
            if (target := target_of_anonymous(entry)) is not None:
                yield Place(f"services.{service}.volumes[{index}]", service, {"target": quoted(target), "path": target})


RULE = Rule(
    code="anonymous-volume",
    severity=Severity.REFUSE,
    title="A volume has a name",
    message="The volume at {target} has no name, so its data would be lost with the container.",
    instead="Name it (`data:{path}`, and `data:` below `volumes:`), or write `tmpfs` for what need not last.",
    why="A volume without a name belongs to one container, and goes with it at the next upgrade. Nobody could say later "
    "which of them holds the data. What need not last is faster in memory (`tmpfs`).",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes: [/var/lib/data]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            volumes: ["data:/var/lib/data"]
        volumes:
          data:
    """,
    find=_find,
)
