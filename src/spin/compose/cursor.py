"""Typed access to an untrusted document: every wrong type or size is an InvalidInput that says where and what to write."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from spin.compose.nodes import below
from spin.compose.scalars import LEAST, MOST, as_text
from spin.errors import InvalidInput
from spin.kit.text import plain, quoted
from spin.model.names import check_compose_name
from spin.model.submission import locate

T = TypeVar("T")

MOST_TEXT = 128 * 1024
"""Longest text: Linux takes no longer single argument or variable (MAX_ARG_STRLEN)."""
MOST_FORM = 8192
"""Longest text of a duration, port, volume, …: two of Linux's longest paths."""
MOST_ITEMS = 2000
"""Most entries of one list or mapping."""
MOST_KEY = 1024
"""Longest key, characters."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BREAK = re.compile("[\t\n\r\u2028\u2029]")
_POSITION = re.compile(r"(?P<file>.+?):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?")
_TRUE = frozenset({"true", "yes", "on", "y", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "0"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})", re.ASCII)


def _kind(value: Any) -> str:
    """What stands in the place of a list or mapping. Not its text: that may be a password of `environment`, and messages are kept."""
    return "a single text" if isinstance(value, str) else quoted(value)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value of the document and the way to it."""

    value: Any
    path: str
    positions: Mapping[str, str]
    _seen: bool = field(default=False, init=False, repr=False, compare=False)
    """`value` was found to be a sound mapping: every key of a service is asked for at the same cursor."""

    def fail(self, sentence: str) -> NoReturn:
        """Raises InvalidInput: `position: path: sentence`."""
        fields: dict[str, Any] = {"key": self.path or None}
        position = locate(self.positions, self.path)
        if position and (match := _POSITION.fullmatch(position)):
            fields |= {"file": match["file"], "line": int(match["line"])}
            if match["column"]:
                fields["column"] = int(match["column"])
        raise InvalidInput(": ".join(part for part in (position, plain(self.path), sentence) if part), **fields)

    def at(self, step: str | int, value: Any) -> Cursor:
        return Cursor(value, below(self.path, step), self.positions)

    # Structure.

    def mapping(self) -> Mapping[str, Any]:
        if self._seen:
            found: Mapping[str, Any] = self.value
            return found
        if not isinstance(self.value, Mapping):
            self.fail(f"a mapping is expected here, not {_kind(self.value)}; write `key: value` lines below it.")
        if len(self.value) > MOST_ITEMS:
            self.fail(f"more than {MOST_ITEMS} entries stand here; write fewer.")
        for key in self.value:
            if not isinstance(key, str) or len(key) > MOST_KEY or _CONTROL.search(key):
                self.fail(f"the key {quoted(key)} is not plain text; write a name.")
        object.__setattr__(self, "_seen", True)
        return self.value

    def get(self, key: str) -> Cursor | None:
        """The value of `key`; None where it is missing or null, which Compose treats alike."""
        value = self.mapping().get(key)
        return None if value is None else self.at(key, value)

    def said(self, key: str) -> Cursor | None:
        """The same, and None for an empty text: Compose takes `hostname: ""` for a service that says nothing about it."""
        found = self.get(key)
        return None if found is None or found.value == "" else found

    def entries(self) -> Iterator[tuple[str, Cursor]]:
        for key, value in self.mapping().items():
            yield key, self.at(key, value)

    def items(self) -> Iterator[Cursor]:
        if not isinstance(self.value, Sequence) or isinstance(self.value, str | bytes):
            self.fail(f"a list is expected here, not {_kind(self.value)}; write `- item` lines below it.")
        if len(self.value) > MOST_ITEMS:
            self.fail(f"more than {MOST_ITEMS} items stand here; write fewer.")
        for index, value in enumerate(self.value):
            yield self.at(index, value)

    def is_mapping(self) -> bool:
        return isinstance(self.value, Mapping)

    def is_text(self) -> bool:
        return isinstance(self.value, str)

    # Scalars.

    def text(self) -> str:
        """Text, or a number or boolean as Compose writes it. Line breaks and tabs are allowed, other control characters are not."""
        value = self.value
        if value is None or not isinstance(value, str | int | float):
            self.fail(f"a single value is expected here, not {quoted(value)}.")
        if isinstance(value, int) and not LEAST <= value <= MOST:
            self.fail("this number is too large; put it in quotes.")
        text = as_text(value)
        if len(text) > MOST_TEXT:
            self.fail(
                f"this text is longer than {MOST_TEXT // 1024} KiB, more than a container can be given; put it into a config."
            )
        if _CONTROL.search(text):
            self.fail("this text holds a control character; remove it.")
        return text

    def data(self) -> bytes:
        """Text of any kind and length, as UTF-8."""
        if not isinstance(self.value, str):
            return self.text().encode()
        try:
            return self.value.encode()
        except UnicodeEncodeError:
            self.fail("this text is not valid Unicode; write it again.")

    def line(self) -> str:
        """Text on one line, not blank."""
        text = self.text()
        if not text.strip():
            self.fail("this is blank; write a value, or leave the key out.")
        if _BREAK.search(text):
            self.fail("this value must be on one line without tabs; remove the line break.")
        return text

    def read(self, form: Callable[[str], T]) -> T:
        """The line as `form` understands it."""
        text = self.line()
        if len(text) > MOST_FORM:
            self.fail(f"this value is longer than {MOST_FORM} characters; write a shorter one.")
        try:
            return form(text)
        except ValueError as error:
            self.fail(str(error))

    def name(self, what: str) -> str:
        """A name of a service, volume, network, config or secret."""
        text = self.line()
        try:
            return check_compose_name(what, text)
        except InvalidInput as error:
            self.fail(error.message)

    def boolean(self) -> bool:
        value = self.value
        if isinstance(value, bool):
            return value
        if not isinstance(value, str) or value.lower() not in _TRUE | _FALSE:
            self.fail(f"true or false is expected here, not {quoted(value)}.")
        return value.lower() in _TRUE

    def integer(self, low: int, high: int) -> int:
        value = self.value
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(f"a whole number from {low} to {high} is expected here, not {quoted(self.value)}.")
        return value

    def number(self, low: float, high: float) -> float:
        value = self.value
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.fail(f"a number from {low:g} to {high:g} is expected here, not {quoted(self.value)}.")
        return float(value)
