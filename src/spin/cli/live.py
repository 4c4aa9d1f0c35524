"""The live table of `spin up`. Imported only where stderr is a terminal: importing Rich takes a while."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spin.cli.tables import clean, state
from spin.cli.times import elapsed
from spin.client.shapes import StackView

_AT_REST = frozenset({"healthy", "upgraded", "completed", "scheduled", "stopped", "failed", "removed"})
FRAMES_PER_SECOND = 8


class LiveReporter:
    """A table that is redrawn in place; its clocks run while the platform is silent."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._title = title
        self._console = console or Console(stderr=True, highlight=False)
        self._view: StackView | None = None
        self._begun = time.monotonic()
        self._rested: dict[str, float] = {}
        self._live: Live | None = Live(get_renderable=self._table, console=self._console, refresh_per_second=FRAMES_PER_SECOND)
        self._live.start()

    def show(self, view: StackView) -> None:
        self._view = view
        for service in view["services"]:
            if service["state"] in _AT_REST:
                self._rested.setdefault(service["name"], time.monotonic())
            else:
                self._rested.pop(service["name"], None)
        if self._live is not None:
            self._live.refresh()

    def note(self, text: str) -> None:
        self._console.print(Text(clean(text)))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
        table.add_column("SERVICE", no_wrap=True)
        table.add_column("STATE", no_wrap=True)
        table.add_column("READY", no_wrap=True)
        table.add_column("TIME", no_wrap=True, justify="right")
        table.add_column("DETAIL", no_wrap=True, overflow="ellipsis", ratio=1)
        now = time.monotonic()
        if self._view is None or not self._view["services"]:
            word = self._view["state"] if self._view else "waiting"
            table.add_row(Text(self._title), _state(word), "", elapsed(now - self._begun), Text(""))
            return table
        for service in self._view["services"]:
            seconds = self._rested.get(service["name"], now) - self._begun
            ready = f"{service['ready']}/{service['wanted']}"
            table.add_row(
                Text(clean(service["name"])), _state(service["state"]), ready, elapsed(seconds), Text(clean(service["detail"]))
            )
        return table


def _state(word: str) -> Text:
    cell = state(word)
    return Text(cell.text, style=cell.colour or "")
