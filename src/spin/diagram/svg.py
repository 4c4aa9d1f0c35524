"""A picture as SVG: one file that needs no script, no font and no other file, and is legible on light and dark ground."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from spin.diagram.layout import Box, Layout, Placed, Way, layout
from spin.diagram.picture import EDGE, TIMES, Picture, PrivatePort, PublicPort, Service, who

_MARGIN = 28.0
_PAD = 14.0
_LINE = 18.0
_SMALL, _NORMAL, _LARGE = 12.0, 15.0, 20.0
_LEAST_WIDTH, _MOST_WIDTH = 170.0, 380.0
_PILL_HEIGHT = 20.0
_MOST_WAYS = 8
"""Host names and published ports in a box."""
_COLOURS = 8
"""Networks have colours in turn; their names stand beside, so that nobody has to tell colours apart."""

_STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; fill: #1f2328; }
.ground { fill: #ffffff; }
.muted { fill: #59636e; }
.head { font-weight: 600; }
.host { fill: #0550ae; }
.box { fill: #f6f8fa; stroke: #afb8c1; }
.service { fill: #ffffff; stroke: #0969da; stroke-width: 1.5; }
.volume { fill: #fff8c5; stroke: #9a6700; }
.lid { fill: none; stroke: #9a6700; }
.secret { fill: #fff0ee; stroke: #cf222e; }
.config { fill: #fbefff; stroke: #8250df; }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.5; }
.use { fill: none; stroke: #8c959f; stroke-width: 1.25; stroke-dasharray: 4 3; }
.tip { fill: #57606a; }
.badge { fill: #0969da; }
.badged { fill: #ffffff; font-weight: 600; }
.rule { stroke: #d1d9e0; }
.n0 { fill: #ddf4ff; } .n1 { fill: #dafbe1; } .n2 { fill: #ffe8d6; } .n3 { fill: #fbe3f4; }
.n4 { fill: #e8e3ff; } .n5 { fill: #fff1b8; } .n6 { fill: #d5f5f0; } .n7 { fill: #eaeef2; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.ground { fill: #0d1117; }
.muted { fill: #9198a1; }
.host { fill: #79c0ff; }
.box { fill: #1c2128; stroke: #57606a; }
.service { fill: #151b23; stroke: #4493f8; }
.volume { fill: #2b2412; stroke: #d29922; }
.lid { stroke: #d29922; }
.secret { fill: #2d1a1a; stroke: #f85149; }
.config { fill: #241b33; stroke: #ab7df8; }
.arrow { stroke: #9198a1; }
.use { stroke: #7d8590; }
.tip { fill: #9198a1; }
.badge { fill: #1f6feb; }
.rule { stroke: #3d444d; }
.n0 { fill: #12304f; } .n1 { fill: #133820; } .n2 { fill: #43290f; } .n3 { fill: #43203a; }
.n4 { fill: #2d2654; } .n5 { fill: #3d3209; } .n6 { fill: #0f3a35; } .n7 { fill: #2a313c; }
}
"""


@dataclass(frozen=True, slots=True)
class _Words:
    """A line of text: `full` is what it was before it was cut, for readers that show titles."""

    text: str
    style: str
    size: float = _SMALL
    full: str = ""


@dataclass(frozen=True, slots=True)
class _Figure:
    """A box with its lines; `pills` are networks, as (name, colour)."""

    id: str
    kind: str
    lines: tuple[_Words, ...]
    pills: tuple[tuple[str, int], ...] = ()
    badge: str = ""
    rows: tuple[tuple[tuple[str, int], ...], ...] = ()

    def box(self, first_layer: int) -> Box:
        head = _measure(self.lines[0].text, _NORMAL) + (_measure(self.badge, _SMALL) + 34 if self.badge else 0)
        widest = max([head, *(_measure(w.text, w.size) for w in self.lines[1:]), *(_row_width(row) for row in self.rows)])
        width = min(max(widest + 2 * _PAD, _LEAST_WIDTH if self.kind == "service" else 110.0), _MOST_WIDTH + 2 * _PAD)
        height = (
            (5 if self.kind == "volume" else 0) + 2 * _PAD + len(self.lines) * _LINE + len(self.rows) * (_PILL_HEIGHT + 5) - 4
        )
        return Box(self.id, width, height, first_layer, stretch=self.kind == "service")


def svg(picture: Picture) -> str:
    """The drawing, with the list of ports below it. Its size grows with the stack; nothing in it is loaded from elsewhere."""
    colours = {n.name: k % _COLOURS for k, n in enumerate(picture.networks)}
    internal = {n.name for n in picture.networks if n.internal}
    gates = _gates(picture)
    public, private = picture.public_of(), picture.private_of()
    services = [_service(s, public.get(s.name, ()), private.get(s.name, ()), colours, internal) for s in picture.services]
    stores = [
        _Figure(f"{kind}:{name}", kind, (_cut(name, _SMALL + 1, "head"), _Words(kind, "muted")))
        for kind, names in (("volume", picture.volumes), ("secret", picture.secrets), ("config", picture.configs))
        for name in names
    ]
    figures = [*gates, *services, *stores]
    boxes = [f.box(1 if gates and f.kind == "service" else 0) for f in figures]
    plan = layout(boxes, _arrows(picture))
    return _document(picture, figures, plan)


def _gates(picture: Picture) -> list[_Figure]:
    found = {}
    for p in picture.public:
        name, reach = ("visitors", "HTTP, through the edge") if p.way == EDGE else (f"{p.way} ports", p.reach)
        found[p.way] = _Figure(f"way:{p.way}", "box", (_cut(name, _NORMAL, "head"), _cut(reach, _SMALL, "muted", most=220)))
    return list(found.values())


def _service(
    s: Service, public: Iterable[PublicPort], private: Iterable[PrivatePort], colours: Mapping[str, int], internal: Container[str]
) -> _Figure:
    lines = [_cut(s.name, _NORMAL, "head", most=_MOST_WIDTH - 60), _cut(s.image, _SMALL, "muted", keep_end=True)]
    ways = [
        p.published.removeprefix("http://").rstrip("/") if p.way == EDGE else f"{p.published} → {p.target}, {p.way}"
        for p in public
    ]
    if len(ways) > _MOST_WAYS:
        ways[_MOST_WAYS - 1 :] = [f"and {len(ways) - _MOST_WAYS + 1} more: see the list below"]
    lines += [_cut(way, _SMALL, "host") for way in ways]
    if inside := ", ".join(p.port for p in private):
        lines.append(_cut(f"inside: {inside}", _SMALL, "muted"))
    pills = [(name + (" (internal)" if name in internal else ""), colours.get(name, 0)) for name in s.networks]
    pills = [(_cut(name, _SMALL, "").text, colour) for name, colour in pills]
    if s.schedule:
        lines.append(_cut(f"job, {s.badge}", _SMALL, "muted"))
    badge = "" if s.replicas == 1 else s.badge
    return _Figure(f"service:{s.name}", "service", tuple(lines), tuple(pills), badge, _rows(pills))


def _rows(pills: Iterable[tuple[str, int]]) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Pills in rows of at most the width of a box, and at most four rows: the text form has them all."""
    rows: list[list[tuple[str, int]]] = []
    for pill in pills:
        if rows and _row_width([*rows[-1], pill]) <= _MOST_WIDTH:
            rows[-1].append(pill)
        elif len(rows) == 4:
            rows[-1][-1] = ("…", 7)
            break
        else:
            rows.append([pill])
    return tuple(map(tuple, rows))


def _row_width(row: Sequence[tuple[str, int]]) -> float:
    return sum(_pill_width(name) + 6 for name, _ in row) - 6


def _pill_width(name: str) -> float:
    return _measure(name, _SMALL) + 16


def _arrows(picture: Picture) -> list[tuple[str, str]]:
    found = [(f"way:{p.way}", f"service:{p.service}") for p in picture.public]
    for s in picture.services:
        own = f"service:{s.name}"
        found += [(own, f"service:{need.service}") for need in s.needs]
        for kind, uses in (("volume", s.volumes), ("secret", s.secrets), ("config", s.configs)):
            found += [(own, f"{kind}:{use.name}") for use in uses]
    return found


# Writing it down.


def _document(picture: Picture, figures: Sequence[_Figure], plan: Layout) -> str:
    title = _cut(picture.title, _LARGE, "head", most=900)
    key = "Arrows lead to what a service needs, dashed lines to what it keeps or reads." if plan.ways else ""
    top = _MARGIN + 60
    parts = [_text(_MARGIN, _MARGIN + 16, title), _text(_MARGIN, _MARGIN + 37, _Words(key, "muted"))]
    parts += [_way(way, _MARGIN, top) for way in plan.ways]
    parts += [_figure(f, plan.boxes[f.id], _MARGIN, top) for f in figures]
    y = top + plan.height + 34
    if plan.left_out:
        words = f"{plan.left_out} arrows are not drawn, because there are too many; `spin diagram --format text` lists them."
        parts.append(_text(_MARGIN, y, _Words(words, "muted")))
        y += 28
    table, width, y = _tables(picture, y)
    parts += table
    width = max(width, plan.width, _measure(title.text, _LARGE), _measure(key, _SMALL)) + 2 * _MARGIN
    height = y + _MARGIN - 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" aria-label="{_attribute(picture.title)}">'
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0.5 L8 4 L0 7.5 z"/></marker></defs>'
    )
    ground = f'<rect class="ground" width="{_n(width)}" height="{_n(height)}"/>'
    named = f"<title>{_content(picture.title)}</title>"
    return "\n".join([head, named, f"<style>{_STYLE}</style>", tip, ground, *parts, "</svg>"]) + "\n"


def _figure(f: _Figure, place: Placed, dx: float, dy: float) -> str:
    x, y = place.x + dx, place.y + dy
    parts = [_shape(f.kind, x, y, place.width, place.height)]
    line = y + _PAD + (16 if f.kind == "volume" else 11)
    for words in f.lines:
        parts.append(_text(x + _PAD, line, words))
        line += _LINE
    if f.badge:
        width = _measure(f.badge, _SMALL) + 14
        left = x + place.width - _PAD - width + 4
        parts.append(f'<rect class="badge" x="{_n(left)}" y="{_n(y + 9)}" width="{_n(width)}" height="20" rx="10"/>')
        parts.append(_text(left + 7, y + 23, _Words(f.badge, "badged")))
    top = line - 11
    for row in f.rows:
        left = x + _PAD
        for name, colour in row:
            width = _pill_width(name)
            parts.append(
                f'<rect class="n{colour}" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(_PILL_HEIGHT)}" rx="10"/>'
            )
            parts.append(_text(left + 8, top + 14, _Words(name, "")))
            left += width + 6
        top += _PILL_HEIGHT + 5
    return "<g>" + "".join(parts) + "</g>"


def _shape(kind: str, x: float, y: float, width: float, height: float) -> str:
    if kind != "volume":
        return f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="8"/>'
    curve = 7.0  # a drum
    half, low = width / 2, y + height - curve
    rim = f"M{_n(x)} {_n(y + curve)} a{_n(half)} {_n(curve)} 0 0 1 {_n(width)} 0"
    drum = f"{rim} V{_n(low)} a{_n(half)} {_n(curve)} 0 0 1 {_n(-width)} 0 z"
    lid = f"M{_n(x)} {_n(y + curve)} a{_n(half)} {_n(curve)} 0 0 0 {_n(width)} 0"
    return f'<path class="volume" d="{drum}"/><path class="lid" d="{lid}"/>'


def _way(way: Way, dx: float, dy: float) -> str:
    points = [(x + dx, y + dy) for x, y in way.points]
    (x, y), *rest = points
    path = [f"M{_n(x)} {_n(y)}"]
    for k, (to_x, to_y) in enumerate(rest):
        if k % 2 == 0:
            path.append(f"H{_n(to_x)}")
        else:
            bend = (to_x - x) / 2
            path.append(f"C{_n(x + bend)} {_n(y)} {_n(to_x - bend)} {_n(to_y)} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    if way.end.startswith("service:"):
        return f'<path class="arrow" marker-end="url(#tip)" d="{" ".join(path)}"/>'
    return f'<path class="use" d="{" ".join(path)}"/>'


def _tables(picture: Picture, y: float) -> tuple[list[str], float, float]:
    """The two lists of ports: what is written, its width, and where it ends."""
    public = [[p.published, f"{p.service}, {p.target}", p.way, p.reach] for p in picture.public]
    private = [[f"{p.service}, {p.port}", "network " + ", ".join(p.networks), "from " + who(p.callers)] for p in picture.private]
    parts: list[str] = []
    width = 0.0
    for heading, none, rows in (
        ("Public ports", "none: nothing of this stack is reached from outside", public),
        ("Private ports", "none: no service is on a network", private),
    ):
        parts.append(_text(_MARGIN, y, _Words(heading, "head", _NORMAL)))
        y += 8
        cells = [[_cut(cell, _SMALL, "" if k else "host") for k, cell in enumerate(row)] for row in rows] or [
            [_Words(none, "muted")]
        ]
        widths = [max(_measure(words.text, _SMALL) for words in column) for column in zip(*cells, strict=True)]
        total = sum(widths) + 24 * (len(widths) - 1)
        width = max(width, total)
        for row in cells:
            line = f'<line class="rule" x1="{_n(_MARGIN)}" x2="{_n(_MARGIN + total)}" y1="{_n(y)}" y2="{_n(y)}"/>'
            parts.append(line)
            y += 17
            x = _MARGIN
            for words, column_width in zip(row, widths, strict=True):
                parts.append(_text(x, y, words))
                x += column_width + 24
            y += 7
        y += 30
    return parts, width, y - 30


def _text(x: float, y: float, words: _Words) -> str:
    title = f"<title>{_content(words.full)}</title>" if words.full and words.full != words.text else ""
    style = f' class="{words.style}"' if words.style else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(words.size)}"{style}>{title}{_content(words.text)}</text>'


def _cut(text: str, size: float, style: str, *, most: float = _MOST_WIDTH, keep_end: bool = False) -> _Words:
    """`text`, shortened to the width of a box; its whole is kept as a title."""
    if _measure(text, size) <= most:
        return _Words(text, style, size, text)
    room = most - _measure("…", size)
    kept = ""
    for character in reversed(text) if keep_end else text:
        room -= _measure(character, size)
        if room < 0:
            break
        kept += character
    return _Words("…" + kept[::-1] if keep_end else kept + "…", style, size, text)


def _measure(text: str, size: float) -> float:
    """A generous width: that of DejaVu Sans, which is wider than what other systems have, rounded up by kinds of characters."""
    return size * sum(_ems(c) for c in text)


def _ems(character: str) -> float:
    if character in "iljtfr.,:;'|!()[]{} /\\-":
        return 0.42
    if character in "mwMW@%…→" + TIMES:
        return 0.98
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    return 0.74 if character.isupper() else 0.66


def _content(text: str) -> str:
    """For the inside of an element. What XML 1.0 cannot hold was taken out with the control characters, but for two."""
    return escape(text.replace("\ufffe", "?").replace("\uffff", "?"))


def _attribute(text: str) -> str:
    return _content(text).replace('"', "&quot;")


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
