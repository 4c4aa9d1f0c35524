"""A layered drawing of boxes and arrows, from left to right, after Sugiyama, Tagawa and Toda (1981): layers by the longest way,
order within a layer by the mean of the neighbours, long arrows through places of their own between the boxes.

So no box covers another, and no arrow crosses a box: arrows are level where there are boxes and bend only between two layers.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

COLUMN_GAP = 84.0
"""Between two layers: room for arrows to bend."""
ROW_GAP = 20.0
WAY_HEIGHT = 6.0
"""Height of the place that an arrow has in a layer it passes."""
MOST_PLACES = 1500
"""Arrows may take so many such places in all; the longest ones beyond that are left out, and said to be."""
MOST_ARROWS = 1000
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """Something to be placed."""

    id: str
    width: float
    height: float
    first_layer: int = 0
    """Not left of this layer, also if nothing leads to it."""
    stretch: bool = False
    """As wide as its layer, once that is known."""


@dataclass(frozen=True, slots=True)
class Placed:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Way:
    """An arrow as the points between which it runs: level from an odd point to the next, bent from an even one to the next."""

    start: str
    end: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    width: float
    height: float
    boxes: dict[str, Placed]
    ways: tuple[Way, ...]
    left_out: int
    """Arrows that are not drawn, because there would be too many to see anything."""


@dataclass(slots=True)
class _Cell:
    """A box, or the place of an arrow, in a layer."""

    layer: int
    width: float
    height: float
    stretch: bool = False
    y: float = 0.0
    before: list[_Cell] = field(default_factory=list)
    after: list[_Cell] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def layout(boxes: Sequence[Box], arrows: Iterable[tuple[str, str]], *, across: int = 4) -> Layout:
    """Places for `boxes`, whose order is kept where arrows leave a choice. Boxes without arrows stand below, `across` in a row.

    Arrows must not go in circles; one that closes a circle is left out. Time grows with boxes, arrows and MOST_PLACES, not with
    their product.
    """
    known = {box.id for box in boxes}
    wanted = [(a, b) for a, b in dict.fromkeys(arrows) if a in known and b in known and a != b]
    layers = _layers(boxes, wanted)
    kept, left_out = _affordable(wanted, layers)
    joined = {name for arrow in kept for name in arrow}
    cells = {b.id: _Cell(layers[b.id], b.width, b.height, b.stretch) for b in boxes if b.id in joined}
    used = {layer: n for n, layer in enumerate(sorted({c.layer for c in cells.values()}))}
    columns: list[list[_Cell]] = [[] for _ in used]
    for cell in cells.values():
        cell.layer = used[cell.layer]
        columns[cell.layer].append(cell)
    for column in columns:
        widest = max(cell.width for cell in column)
        for cell in column:
            cell.width = widest if cell.stretch else cell.width
    chains = [(a, b, _chain(cells[a], cells[b], columns)) for a, b in kept]
    _order(columns)
    _settle(columns)
    lefts, width = _lefts(columns)
    height = max((c.y + c.height for column in columns for c in column), default=0.0)
    placed = {name: Placed(lefts[c.layer], c.y, c.width, c.height) for name, c in cells.items()}
    ports = _Ports()
    ways = tuple(Way(a, b, _points(chain, columns, lefts, ports)) for a, b, chain in chains)
    alone = [b for b in boxes if b.id not in joined]
    width, height = _grid(alone, placed, width, height, across)
    return Layout(width, height, placed, ways, left_out)


def _layers(boxes: Sequence[Box], arrows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Each box right of all that lead to it; arrows that go in circles do not count."""
    after = defaultdict(list)
    incoming = dict.fromkeys((b.id for b in boxes), 0)
    for a, b in arrows:
        after[a].append(b)
        incoming[b] += 1
    layers = {b.id: b.first_layer for b in boxes}
    ready = [name for name, count in incoming.items() if not count]
    while ready:
        name = ready.pop()
        for other in after[name]:
            layers[other] = max(layers[other], layers[name] + 1)
            incoming[other] -= 1
            if not incoming[other]:
                ready.append(other)
    return layers


def _affordable(arrows: Sequence[tuple[str, str]], layers: dict[str, int]) -> tuple[list[tuple[str, str]], int]:
    """The arrows that are drawn, and how many are not: short ones first, as long as there are places."""
    kept: set[tuple[str, str]] = set()
    places = MOST_PLACES
    for a, b in sorted(arrows, key=lambda arrow: layers[arrow[1]] - layers[arrow[0]]):
        span = layers[b] - layers[a]
        if span < 1:
            continue
        places -= span - 1
        if places < 0 or len(kept) == MOST_ARROWS:
            break
        kept.add((a, b))
    return [arrow for arrow in arrows if arrow in kept], len(arrows) - len(kept)


def _chain(start: _Cell, end: _Cell, columns: list[list[_Cell]]) -> list[_Cell]:
    """The cells through which an arrow runs, joined to each other."""
    chain = [start]
    for layer in range(start.layer + 1, end.layer):
        cell = _Cell(layer, 0.0, WAY_HEIGHT)
        columns[layer].append(cell)
        chain.append(cell)
    chain.append(end)
    for left, right in itertools.pairwise(chain):
        left.after.append(right)
        right.before.append(left)
    return chain


def _order(columns: list[list[_Cell]]) -> None:
    """Fewer crossings: each cell at the mean position of its neighbours, to and fro."""
    place = {id(cell): float(n) for column in columns for n, cell in enumerate(column)}
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            means = {}
            for cell in column:
                neighbours = cell.before if forward else cell.after
                here = place[id(cell)]
                means[id(cell)] = sum(place[id(c)] for c in neighbours) / len(neighbours) if neighbours else here
            column.sort(key=lambda cell, means=means: means[id(cell)])  # type: ignore[misc]
            place |= {id(cell): float(n) for n, cell in enumerate(column)}


def _settle(columns: list[list[_Cell]]) -> None:
    """Heights: each cell as near as may be to the middle of its neighbours, none over another."""
    for column in columns:
        _stack(column, [0.0] * len(column))
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 1
        for column in columns if forward else list(reversed(columns)):
            wishes = []
            for cell in column:
                neighbours = (cell.before if forward else cell.after) or cell.before or cell.after
                middle = sum(c.middle for c in neighbours) / len(neighbours) if neighbours else cell.middle
                wishes.append(middle - cell.height / 2)
            _stack(column, wishes)
    top = min((cell.y for column in columns for cell in column), default=0.0)
    for column in columns:
        for cell in column:
            cell.y -= top


def _stack(column: Sequence[_Cell], wishes: Sequence[float]) -> None:
    """Sets `y` in the column's order, so that the squares of the distances to `wishes` are least (pool adjacent violators)."""
    offsets = [0.0]
    for cell in column[:-1]:
        offsets.append(offsets[-1] + cell.height + ROW_GAP)
    pools: list[tuple[float, int]] = []  # mean, members
    for wish, offset in zip(wishes, offsets, strict=False):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, members = pools.pop()
            mean, count = (mean * count + other * members) / (count + members), count + members
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    for cell, mean, offset in zip(column, means, offsets, strict=False):
        cell.y = mean + offset


def _lefts(columns: Sequence[Sequence[_Cell]]) -> tuple[list[float], float]:
    """Left side of each column, and the right side of the last one. Between columns with many arrows there is more room."""
    lefts, x = [], 0.0
    for n, column in enumerate(columns):
        lefts.append(x)
        x += max(cell.width for cell in column)
        if n < len(columns) - 1:
            crossing = sum(len(cell.after) for cell in column)
            x += COLUMN_GAP + min(crossing, 40) * 3
    return lefts, x


class _Ports:
    """Where on a box's side arrows begin and end: they share its middle part, in the order of their other ends."""

    def __init__(self) -> None:
        self._known: dict[int, dict[int, float]] = {}

    def at(self, cell: _Cell, neighbours: list[_Cell], other: _Cell) -> float:
        """`neighbours` is the cell's own list of one side, `other` one of it."""
        if id(neighbours) not in self._known:
            step = min(14.0, cell.height * 0.6 / max(len(neighbours) - 1, 1))
            top = cell.middle - (len(neighbours) - 1) / 2 * step
            ordered = sorted(neighbours, key=lambda c: c.middle)
            self._known[id(neighbours)] = {id(c): top + n * step for n, c in enumerate(ordered)}
        return self._known[id(neighbours)][id(other)]


def _points(
    chain: Sequence[_Cell], columns: Sequence[Sequence[_Cell]], lefts: Sequence[float], ports: _Ports
) -> tuple[tuple[float, float], ...]:
    rights = {cell.layer: lefts[cell.layer] + max(c.width for c in columns[cell.layer]) for cell in chain}
    start, *between, end = chain
    leave = ports.at(start, start.after, chain[1])
    arrive = ports.at(end, end.before, chain[-2])
    points = [(lefts[start.layer] + start.width, leave), (rights[start.layer], leave)]
    for cell in between:
        points += [(lefts[cell.layer], cell.middle), (rights[cell.layer], cell.middle)]
    return (*points, (lefts[end.layer], arrive))


def _grid(alone: Sequence[Box], placed: dict[str, Placed], width: float, height: float, across: int) -> tuple[float, float]:
    """Puts the boxes without arrows below the rest, in columns as wide as their widest box."""
    y = height + (2 * ROW_GAP if placed and alone else 0.0)
    widest = max((b.width for b in alone), default=0.0)
    across = max(across, int((width + ROW_GAP) // (widest + ROW_GAP))) if alone else across
    for first in range(0, len(alone), across):
        row = alone[first : first + across]
        for n, box in enumerate(row):
            placed[box.id] = Placed(n * (widest + ROW_GAP), y, box.width, box.height)
        width = max(width, len(row) * (widest + ROW_GAP) - ROW_GAP)
        height = y + max(box.height for box in row)
        y = height + ROW_GAP
    return width, height
