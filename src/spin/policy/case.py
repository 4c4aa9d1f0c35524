"""What a rule sees, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spin.kit.text import plain, quoted
from spin.model.finding import Description, Finding
from spin.model.stack import StackSpec
from spin.model.submission import locate
from spin.site import Site


@dataclass(frozen=True, slots=True)
class Case:
    """A stack before admission: the document as sent (untrusted; lowering it has succeeded), what it comes to, and the site."""

    document: Mapping[str, Any]
    spec: StackSpec
    site: Site

    def services(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Name and mapping of each service of the document."""
        yield from entries(self.document.get("services"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule is broken. `values` fill the gaps in the rule's message and advice."""

    path: str
    service: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    instead: str | None = None
    """In the place of the rule's own advice, where this place has a better one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Description):
    """One rule. `message` says what is wrong and `instead` what to write; both may have gaps such as `{port}`."""

    message: str
    instead: str
    find: Callable[[Case], Iterable[Place]]

    def findings(self, case: Case, positions: Mapping[str, str]) -> Iterator[Finding]:
        for place in self.find(case):
            values = {key: plain(str(value), 800) for key, value in place.values.items()}
            yield self.finding(
                self.message.format(**values),
                (self.instead if place.instead is None else place.instead).format(**values),
                service=place.service,
                key=plain(place.path),
                position=locate(positions, place.path),
            )


def entries(section: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries of a section that are mappings."""
    if isinstance(section, Mapping):
        for name, entry in section.items():
            if isinstance(name, str) and isinstance(entry, Mapping):
                yield name, entry


def items(value: Any) -> Iterator[tuple[int, Any]]:
    """Index and item of a list; nothing for anything else."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from enumerate(value)


def is_said(value: Any) -> bool:
    """Whether a key asks for anything: false, empty and null ask for nothing."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "no", "off", "n", "0")
    return bool(value)


def keys_said(case: Case, *keys: str) -> Iterator[Place]:
    """The places where a service sets one of `keys` to something."""
    for service, content in case.services():
        for key in keys:
            if is_said(content.get(key)):
                values = {"key": key, "value": quoted(content[key])}
                yield Place(f"services.{service}.{key}", service, values)
