"""The table of keys, row by row, and documents that hold one row's key."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from spin.policy.keys import FILE, ByValue, Ignored, Refused, Ruled, Supported, Translated, Verdict

NAMED, ITEM = "*", "[]"

_ITEMS: dict[str, Any] = {
    "ports": {"target": 80, "published": 8080},
    "volumes": {"type": "volume", "source": "v", "target": "/v"},
    "secrets": {"source": "s"},
    "configs": {"source": "c"},
}
_NAMES = {
    "services": "app",
    "networks": "n",
    "volumes": "v",
    "secrets": "s",
    "configs": "c",
    "depends_on": "b",
    "ulimits": "nofile",
}
_BESIDE = {"healthcheck": {"test": "true"}, "tmpfs": {"type": "tmpfs", "target": "/t"}, "build": {"context": "."}}


@dataclass(frozen=True, slots=True)
class Row:
    """`steps` lead to the key: names of keys, NAMED for a name that people choose, ITEM for an item of a list."""

    steps: tuple[str, ...]
    verdict: Supported | Translated | Ignored | Refused | Ruled
    value: str | None = None
    """The value that the row is about; None: any."""

    @property
    def title(self) -> str:
        """`services.*.ports[].name`, the way in which `specification` writes them too."""
        return ".".join(self.steps).replace(".[]", "[]")

    def __str__(self) -> str:
        return self.title + ("" if self.value is None else f"={self.value}")

    @property
    def leaf(self) -> bool:
        """The table does not go on below it."""
        below = self.verdict.below if isinstance(self.verdict, Translated) else self.verdict
        return not isinstance(below, Supported) or (below.keys, below.named, below.items) == (None, None, None)

    def document(self, value: Any) -> dict[str, Any]:
        """A document that is right but for `value` at this key."""
        found: dict[str, Any] = {
            "services": {"app": {"image": "nginx:1.27"}, "b": {"image": "nginx:1.27"}},
            **{section: {_NAMES[section]: {}} for section in ("networks", "volumes")},
            "configs": {"c": {"content": "x"}},
            "secrets": {"s": {"external": True}},
        }
        _put(found, self.steps, value)
        service = found["services"]["app"] if isinstance(found["services"], dict) else None
        if isinstance(service, dict) and self.steps[0] in ("networks", "volumes", "configs", "secrets"):
            service[self.steps[0]] = ["v:/v"] if self.steps[0] == "volumes" else [_NAMES[self.steps[0]]]
        if self.steps[:2] == ("configs", NAMED) and self.steps[-1] in ("file", "environment"):
            del found["configs"]["c"]["content"]
        return found

    @property
    def path(self) -> str:
        """Where a finding about it is."""
        path, last = "", ""
        for step in self.steps:
            path += "[0]" if step == ITEM else f".{_NAMES[last] if step == NAMED else step}"
            last = step
        return path[1:]


def _put(into: dict[str, Any], steps: tuple[str, ...], value: Any) -> None:
    at: Any = into
    for index, step in enumerate(steps[:-1]):
        if step == ITEM:
            at = at[0]
            continue
        key = _NAMES[steps[index - 1]] if step == NAMED else step
        if step in _BESIDE and steps[index - 1] == ITEM and isinstance(at, dict):
            at.clear()
            at.update(deepcopy(_BESIDE[step]))
        usual: Any = [deepcopy(_ITEMS.get(step, {}))] if steps[index + 1] == ITEM else deepcopy(_BESIDE.get(step, {}))
        if not isinstance(at.get(key), dict | list) or (isinstance(usual, list) and not isinstance(at[key], list)):
            at[key] = usual
        at = at[key]
    at[_NAMES[steps[-2]] if steps[-1] == NAMED else steps[-1]] = value


def rows(table: Supported = FILE, steps: tuple[str, ...] = ()) -> Iterator[Row]:
    """Every row."""
    for key, verdict in (table.keys or {}).items():
        for found in _judged(verdict, (*steps, key)):
            yield found
            below = found.verdict.below if isinstance(found.verdict, Translated) else found.verdict
            if isinstance(below, Supported):
                yield from rows(below, found.steps)
    for step, inner in ((NAMED, table.named), (ITEM, table.items)):
        if isinstance(inner, Supported):
            yield from rows(inner, (*steps, step))


def _judged(verdict: Verdict, steps: tuple[str, ...]) -> Iterator[Row]:
    if isinstance(verdict, ByValue):
        yield from (Row(steps, each, value) for value, each in verdict.values.items())
        yield Row(steps, verdict.other)
    else:
        yield Row(steps, verdict)
