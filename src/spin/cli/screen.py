"""The full-screen view of `spin top`. Imported by that command only: importing Textual takes a while.

It is given functions that ask the platform, calls them in threads, and shows what they return or raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from spin.cli.output import now
from spin.cli.overview import ORDERS, Row, cells, matches, ordered
from spin.cli.tables import clean, cut, state
from spin.errors import SpinError

EVERY = 2.0
"""Seconds between two looks."""
_HEADINGS = (("STACK", 16), ("STATE", 12), ("READY", 5), ("CPU", 6), ("MEMORY", 7), ("RST", 3), ("FOR", 4))
_LEAST_EVENT = 12
_PADDING = 1


@dataclass(frozen=True, slots=True)
class Detail:
    """One stack from near: a sentence, its containers, and what happened and was written last."""

    sentence: str
    containers: tuple[tuple[str, str, str, str, str, str], ...]
    """Name, state, CPU, memory, restarts, detail."""
    lines: tuple[str, ...]
    """The newest last."""


Look = Callable[[], Sequence[Row]]
Near = Callable[[Row], Detail]


class Top(App[None]):
    """All stacks, one a line."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 1; text-style: bold; }
    #head.trouble { background: $error; color: $text; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    #filter.shown { display: block; }
    DataTable { height: 1fr; }
    #sentence { height: auto; max-height: 5; margin-bottom: 1; text-style: bold; }
    #containers { height: auto; max-height: 40%; margin-bottom: 1; }
    #lines { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "near", "Look inside", priority=False),
        Binding("slash", "filter", "Filter"),
        Binding("s", "sort", "Sort"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "unfilter", "All", show=False),
    ]

    def __init__(self, title: str, look: Look, near: Near, *, wide: bool, every: float = EVERY) -> None:
        super().__init__()
        self._name = title
        self._look = look
        self.near = near
        self._wide = wide
        self.every = every
        self._rows: list[Row] = []
        self._order = ORDERS[0]
        self._trouble = "asking …"

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield DataTable(cursor_type="row", cell_padding=_PADDING, id="stacks")
        yield Input(placeholder="words of a name, place or state", id="filter", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        self._columns()
        self.query_one("#stacks", DataTable).focus()
        self._follow()

    def on_resize(self) -> None:
        self._columns()
        self._show()

    @work(exclusive=True)
    async def _follow(self) -> None:
        while True:
            try:
                self._rows, self._trouble = list(await asyncio.to_thread(self._look)), ""
            except SpinError as error:  # what was seen stays, and is said to be old
                self._trouble = error.message
            try:
                self._show()
            except NoMatches:
                return  # the screen is being taken down
            await asyncio.sleep(self.every)

    def _columns(self) -> None:
        table = self.query_one("#stacks", DataTable)
        table.clear(columns=True)
        used = sum(width + 2 * _PADDING for _, width in _HEADINGS)
        for heading, width in _HEADINGS:
            table.add_column(heading, width=width)
        table.add_column("LAST EVENT", width=max(_LEAST_EVENT, self.size.width - used - 2 * _PADDING))

    def _show(self) -> None:
        table = self.query_one("#stacks", DataTable)
        chosen = self._chosen()
        shown = [r for r in ordered(self._rows, self._order) if matches(r, self.query_one("#filter", Input).value)]
        table.clear()
        moment = now()
        for row in shown:
            first, word, *rest = (clean(text) for text in cells(row, moment, wide=self._wide))
            table.add_row(cut(first, _HEADINGS[0][1]), _state(word), *(Text(text) for text in rest), key=row.key)
        if chosen is not None:
            place = next((n for n, row in enumerate(shown) if row.key == chosen.key), None)
            if place is not None:
                table.move_cursor(row=place)
        self._head(len(shown))

    def _head(self, shown: int) -> None:
        head = self.query_one("#head", Static)
        head.set_class(bool(self._trouble and self._rows), "trouble")
        ill = sum(r.state in ("failed", "unhealthy", "degraded") for r in self._rows)
        hidden = f", {len(self._rows) - shown} filtered out" if shown != len(self._rows) else ""
        count = f"{len(self._rows)} stack{'' if len(self._rows) == 1 else 's'}{hidden}, {ill} not well, by {self._order}"
        head.update(clean(f"spin top  {self._name}  {self._trouble or count}"))

    def _chosen(self) -> Row | None:
        table = self.query_one("#stacks", DataTable)
        if not table.row_count:
            return None
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        return next((r for r in self._rows if r.key == key), None)

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 -- Textual's signature
        """The keys of the list are for the list."""
        return action not in ("near", "filter", "sort", "unfilter") or not isinstance(self.screen, StackScreen)

    @on(DataTable.RowSelected, "#stacks")
    def action_near(self) -> None:
        chosen = self._chosen()
        if chosen is not None and not isinstance(self.screen, StackScreen):
            self.push_screen(StackScreen(chosen))

    def action_sort(self) -> None:
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self._show()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_unfilter(self) -> None:
        field = self.query_one("#filter", Input)
        field.value = ""
        self._done_filtering()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._show()

    @on(Input.Submitted, "#filter")
    def _done_filtering(self) -> None:
        field = self.query_one("#filter", Input)
        field.set_class(bool(field.value), "shown")
        self.query_one("#stacks", DataTable).focus()


class StackScreen(Screen[None]):
    """One stack."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("q", "back", "Back", show=False),
    ]

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        yield Static(self._row.key, id="head", markup=False)
        yield Static("asking …", id="sentence", markup=False)
        yield DataTable(cursor_type="none", id="containers")
        yield Static(id="lines", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        table = self.query_one("#containers", DataTable)
        for heading in ("CONTAINER", "STATE", "CPU", "MEMORY", "RST", "DETAIL"):
            table.add_column(heading)
        self._follow()

    @work(exclusive=True)
    async def _follow(self) -> None:
        app = self.app
        if not isinstance(app, Top):
            raise TypeError("this screen belongs to Top")
        while True:
            found: Detail | str
            try:
                found = await asyncio.to_thread(app.near, self._row)
            except SpinError as error:
                found = error.message
            if not self.is_current:
                return  # it was left meanwhile
            try:
                if isinstance(found, Detail):
                    self._show(found)
                else:
                    self.query_one("#sentence", Static).update(clean(found))
            except NoMatches:
                return  # it is being taken down
            await asyncio.sleep(app.every)

    def _show(self, found: Detail) -> None:
        self.query_one("#sentence", Static).update(clean(found.sentence))
        table = self.query_one("#containers", DataTable)
        table.clear()
        for name, word, *rest in found.containers:
            table.add_row(clean(name), _state(clean(word)), *(Text(clean(text)) for text in rest))
        lines = self.query_one("#lines", Static)
        room = max(1, lines.size.height)
        width = max(20, lines.size.width)
        lines.update("\n".join(cut(clean(line), width) for line in found.lines[-room:]))

    def action_back(self) -> None:
        self.app.pop_screen()


def _state(word: str) -> Text:
    cell = state(word)
    return Text(cell.text, style=cell.colour or "")
