"""Tables for people. Pure: cells in, lines out; the width of the terminal is an argument."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

SHORT_ID = 12
"""Characters of a container's id or an image's digest that are shown, as Docker does."""
GAP = "  "
LEAST_WIDTH = 12
"""Columns that a cut text keeps."""
_COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
_TURNS = "\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Line breaks of Unicode's own, what turns the direction of writing, and halves of characters."""
_CONTROL = re.compile(rf"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f{_TURNS}]")
_OBEYED = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}]")

_CODES = {"green": "32", "yellow": "33", "red": "31", "dim": "2", "bold": "1", "cyan": "36"}
_COLOURS = {
    "healthy": "green",
    "completed": "green",
    "scheduled": "green",
    "ready": "green",
    "running": "green",
    "upgraded": "cyan",
    "initializing": "yellow",
    "rolling-back": "yellow",
    "upgrading": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "removing": "yellow",
    "created": "yellow",
    "degraded": "yellow",
    "unhealthy": "red",
    "failed": "red",
    "unreachable": "red",
    "stopped": "dim",
    "exited": "dim",
    "removed": "dim",
    "unknown": "dim",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a colour by name (`green`, `dim`, …)."""

    text: str
    colour: str | None = None
    keep_end: bool = False
    """Where it must be cut, its end says more than its beginning."""


def clean(text: str) -> str:
    """`text` on one line, without control characters: what a container printed must not steer the terminal."""
    return _CONTROL.sub("", text.replace("\n", " ").replace("\t", " "))


def harmless(text: str) -> str:
    """`text` for a terminal: colours, tabs and line breaks stay; every other control character is shown instead of obeyed."""
    if not _OBEYED.search(text):
        return text
    parts = _COLOUR.split(text)
    parts[::2] = [_OBEYED.sub(_shown, part) for part in parts[::2]]
    return "".join(parts)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def width_of(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int, *, keep_end: bool = False) -> str:
    """`text`, shortened with an ellipsis to at most `width` columns."""
    if width_of(text) <= width:
        return text
    if keep_end:
        return cut(text[::-1], width)[::-1]
    kept, room = "", width - 1
    for character in text:
        room -= width_of(character)
        if room < 0:
            break
        kept += character
    return kept + "…" if width > 0 else ""


def paint(text: str, colour: str | None, *, colours: bool) -> str:
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if colours and colour and text else text


def state(word: str) -> Cell:
    """A state in its colour: green is well, cyan waits for a person, yellow is under way, red needs a look."""
    return Cell(word, _COLOURS.get(word))


def short(id: str | None) -> str:
    """The first characters of an id or digest, without `sha256:`."""
    return (id or "").removeprefix("sha256:")[:SHORT_ID]


def image(reference: str) -> Cell:
    """An image as people write it: without the names that Docker adds by itself. Its end tells images apart."""
    return Cell(reference.removeprefix("docker.io/").removeprefix("library/"), keep_end=True)


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    *,
    width: int | None = None,
    flexible: Collection[str] = (),
    colours: bool = False,
) -> list[str]:
    """Aligned lines, headings first. Columns that are empty in every row are left out.

    With a `width`, the `flexible` columns are cut until the lines fit, the widest first and none below 12 columns. Others are
    there to be read or copied as a whole and stay so, even if the terminal has to wrap them. Without a width (output to a file or a pipe)
    nothing is cut.
    """
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    cells = [[replace(c, text=clean(c.text)) for c in row] for row in cells]
    kept = [i for i in range(len(headings)) if any(row[i].text for row in cells)]
    widths = {i: max(width_of(headings[i]), *(width_of(row[i].text) for row in cells)) for i in kept}
    if width is not None:
        _shrink(widths, [i for i in kept if headings[i] in flexible], width - len(GAP) * (len(kept) - 1))
    lines = [_line([Cell(headings[i], "bold") for i in kept], [widths[i] for i in kept], colours=colours)]
    lines += [_line([row[i] for i in kept], [widths[i] for i in kept], colours=colours) for row in cells]
    return lines


def _shrink(widths: dict[int, int], flexible: Sequence[int], room: int) -> None:
    while sum(widths.values()) > room:
        candidates = [i for i in flexible if widths[i] > LEAST_WIDTH]
        if not candidates:
            return
        widths[max(candidates, key=lambda i: widths[i])] -= 1


def _line(cells: Sequence[Cell], widths: Sequence[int], *, colours: bool) -> str:
    parts = []
    for position, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = cut(cell.text, width, keep_end=cell.keep_end)
        padding = "" if position == len(cells) - 1 else " " * (width - width_of(text))
        parts.append(paint(text, cell.colour, colours=colours) + padding)
    return GAP.join(parts).rstrip()
