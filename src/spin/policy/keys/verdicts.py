"""What becomes of a key: the verdicts of the table, and the walk that finds the verdict of each key of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from spin.kit.text import plain, quoted
from spin.policy.case import Place, is_said, items


@dataclass(frozen=True, slots=True)
class Supported:
    """Means what it means to Docker Compose. Its type and value are lowering's business (`spin.compose.lower`).

    With none of the fields it is looked into no further.
    """

    keys: Mapping[str, Verdict] | None = None
    """A mapping with these keys."""
    named: Supported | Ignored | None = None
    """A mapping from names that people choose; beside `keys`, from all other names."""
    items: Supported | None = None
    """A list (each item), where it is not a mapping."""
    pairs: bool = False
    """A list holds `NAME=value`, which is looked at like a mapping."""


@dataclass(frozen=True, slots=True)
class Translated:
    """Comes to something that Spin has another word for."""

    how: str
    """`becomes …`, `is …`: goes on after the key."""
    below: Supported = field(default_factory=Supported)
    tell: str = ""
    """Said to whoever writes the key, where it does not mean exactly what Compose would do: what to write instead."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Not carried out, which is harmless; a warning says so."""

    why: str
    """Goes on after "is not carried out: "."""
    instead: str = "Leave it out."


@dataclass(frozen=True, slots=True)
class Refused:
    """Cannot be carried out, or must not be."""

    reason: str
    """Goes on after the key."""
    instead: str


@dataclass(frozen=True, slots=True)
class Ruled:
    """Judged by a rule of its own, which looks at the value."""

    rule: str


@dataclass(frozen=True, slots=True)
class ByValue:
    """The verdict depends on what is written."""

    values: Mapping[str, Supported | Translated | Ignored | Refused | Ruled]
    """By the value's text; booleans as `true` and `false`."""
    other: Supported | Translated | Ignored | Refused | Ruled
    """For every other value."""


Verdict: TypeAlias = Supported | Translated | Ignored | Refused | Ruled | ByValue

VALUE = Supported()


class Met(NamedTuple):
    """A key of a document, and its verdict (never a ByValue); None where the table has none."""

    path: str
    key: str
    value: Any
    verdict: Supported | Translated | Ignored | Refused | Ruled | None
    beside: Mapping[str, Verdict]
    """The verdicts on the keys that may stand beside it."""
    said: bool
    """It asks for something: null, false and an empty list ask for nothing, unless the table speaks of that very value."""

    @property
    def known(self) -> tuple[str, ...]:
        """The supported keys that may stand beside it. Made when asked for: hardly any key is wrong, and every key is met."""
        return tuple(sorted(name for name, row in self.beside.items() if usable(row)))

    def place(self, values: Mapping[str, object], instead: str | None = None) -> Place:
        parts = self.path.split(".")
        service = plain(parts[1]) if parts[0] == "services" and len(parts) > 2 else None
        return Place(self.path, service, {"key": plain(quoted(self.key)[1:-1]), **values}, instead)


def walk(value: Any, table: Supported, path: str = "") -> Iterator[Met]:
    """Every key below `value` that the table speaks about, or should. What is ignored, refused or ruled is not looked into."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _met(str(key), child, table, f"{path}.{key}" if path else str(key))
    elif table.pairs:
        for index, item in items(value):
            key, _, text = str(item).partition("=")
            yield from _met(key, text, table, f"{path}[{index}]")
    elif table.items is not None:
        for index, child in items(value):
            yield from walk(child, table.items, f"{path}[{index}]")


def _met(key: str, child: Any, table: Supported, path: str) -> Iterator[Met]:
    known = table.keys or {}
    verdict, said = known.get(key, table.named), is_said(child)
    if verdict is table.named and isinstance(verdict, Supported):
        yield from walk(child, verdict, path)
        return
    if verdict is None and (table.keys is None or key.startswith("x-")):
        return
    if isinstance(verdict, ByValue):
        said = said or _text(child) in verdict.values
        verdict = verdict.values.get(_text(child), verdict.other)
    yield Met(path, key, child, verdict, known, said)
    if isinstance(verdict, Supported | Translated):
        yield from walk(child, verdict if isinstance(verdict, Supported) else verdict.below, path)


def usable(verdict: Verdict) -> bool:
    """Some value of the key does something."""
    if isinstance(verdict, ByValue):
        return any(usable(each) for each in (*verdict.values.values(), verdict.other))
    return isinstance(verdict, Supported | Translated)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def each(names: str, verdict: Verdict) -> dict[str, Verdict]:
    """`verdict` for each of the names."""
    return dict.fromkeys(names.split(), verdict)
