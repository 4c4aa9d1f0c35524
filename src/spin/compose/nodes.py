"""The tree that the first stages work on: plain values that remember where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, TypeAlias

from spin.errors import InvalidInput

Scalar: TypeAlias = str | int | float | bool | bytes | None


class Position(NamedTuple):
    """A place in a text, counted from 1, as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def short(self) -> str:
        """`file:line`, for sentences about a second place."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the document. Mappings hold `dict[str, Node]` and in `keys` where each key stands; sequences `list[Node]`."""

    value: dict[str, Node] | list[Node] | Scalar
    at: Position
    keys: dict[str, Position] = field(default_factory=dict)
    tag: str | None = None
    """`!reset` or `!override`: orders to the merge."""
    size: int = 1
    """Nodes in this subtree, aliases counted each time they are used."""

    @property
    def kind(self) -> str:
        """What it is, for messages."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "nothing" if self.value is None else "a single value"


def fail(at: Position, sentence: str, *, key: str = "") -> NoReturn:
    """Raises InvalidInput: `file:line:column: key: sentence`."""
    where = f"{at}: {key}: " if key else f"{at}: "
    raise InvalidInput(where + sentence, file=at.file, line=at.line, column=at.column, key=key or None)


def below(path: str, step: str | int) -> str:
    """The dotted path of a key or list item below `path`: `services.web.ports[0]`."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step
