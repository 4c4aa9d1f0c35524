"""What a change comes to, as lines for people. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from spin.cli.tables import clean, cut, paint
from spin.client.shapes import Change, ChangesView, KeyChange, PartChange

_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}
_WORDS = {"add": "to add", "change": "to change", "remove": "to remove"}
_VALUE_WIDTH = 72


def summary(changes: ChangesView) -> str:
    """`2 to add, 1 to change`; empty for no change."""
    every = [*changes["services"], *changes["networks"], *changes["volumes"]]
    counts = {action: sum(c["action"] == action for c in every) for action in _WORDS}
    counts["change"] += bool(changes["stack"])
    return ", ".join(f"{count} {_WORDS[action]}" for action, count in counts.items() if count)


def change_lines(changes: ChangesView, *, colours: bool = False) -> list[str]:
    """One line for each thing that is added, changed or removed, and below a changed one each key that differs."""
    kinds: tuple[tuple[str, Sequence[Change | PartChange]], ...] = (
        ("service", changes["services"]),
        ("network", changes["networks"]),
        ("volume", changes["volumes"]),
    )
    lines: list[str] = []
    if changes["stack"]:
        sign, colour = _SIGNS["change"]
        lines = [paint(f"  {sign} stack", colour, colours=colours), *_keys(changes["stack"])]
    for kind, members in kinds:
        for change in members:
            if change["action"] in _SIGNS:
                lines += _change(kind, change, colours=colours)
    return lines


def _change(kind: str, change: Change | PartChange, *, colours: bool) -> list[str]:
    sign, colour = _SIGNS[change["action"]]
    consequence = ""
    if kind == "service" and change["action"] == "change":
        consequence = " (containers are replaced)" if change.get("replaces") else " (running containers stay)"
    lines = [paint(f"  {sign} {kind} {clean(change['name'])}", colour, colours=colours) + consequence]
    if change["action"] == "change":
        lines += _keys(change.get("keys") or [])
    return lines


def _keys(keys: Sequence[KeyChange]) -> list[str]:
    return [f"      {clean(k['key'])}: {value(k['old'])} → {value(k['new'])}" for k in keys]


def value(given: Any) -> str:
    """A value of a key, short enough for a line."""
    if given is None:
        return "(none)"
    text = given if isinstance(given, str) and given else json.dumps(given, ensure_ascii=False)
    return cut(clean(text), _VALUE_WIDTH)
