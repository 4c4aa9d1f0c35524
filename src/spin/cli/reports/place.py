"""Where a finding is."""

from __future__ import annotations

import re
from typing import NamedTuple

_POSITION = re.compile(r"(?P<file>.+?):(?P<line>[0-9]{1,9})(?::(?P<column>[0-9]{1,9}))?", re.DOTALL)


class Place(NamedTuple):
    """A place in a file; line and column count from 1, None where they are not known."""

    file: str
    line: int | None = None
    column: int | None = None


def place_of(position: object, file: str | None = None) -> Place | None:
    """The place that `position` (`file:line` or `file:line:column`) names; else `file` as a whole."""
    match = _POSITION.fullmatch(position) if isinstance(position, str) else None
    if match is None or int(match["line"]) < 1:
        return None if file is None else Place(file)
    column = int(match["column"]) if match["column"] else 0
    return Place(match["file"], int(match["line"]), column or None)
