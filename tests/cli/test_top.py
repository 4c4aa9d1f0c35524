"""`spin top`: the screen with its keys, through Textual's own pilot, and the command in a real terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pexpect
import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from spin.cli.overview import Row
from spin.cli.screen import Detail, StackScreen, Top
from spin.errors import Unavailable
from support.fake_api import KEY, FakeApi, service, view


def row(stack: str, state: str = "healthy", **more: Any) -> Row:
    values: dict[str, Any] = {"ready": 1, "wanted": 1, "cpu": 0.1, "memory": 2**20, "restarts": 0, "since": datetime.now(UTC)}
    return Row("lab", "development", stack, state, **values | {"event": "web: healthy"} | more)


class Site:
    """What the platform says; it may go away."""

    def __init__(self) -> None:
        self.rows = [row("calm"), row("sick", "unhealthy", restarts=7)]
        self.gone = False
        self.asked: list[str] = []

    def look(self) -> list[Row]:
        if self.gone:
            raise Unavailable("No platform answers.")
        return self.rows

    def near(self, chosen: Row) -> Detail:
        self.asked.append(chosen.stack)
        return Detail(
            f"{chosen.stack} is unhealthy",
            (("sick-web-1", "unhealthy", "1.0%", "1MiB", "7", "no"),),
            ("12:00  log  boom\x1b[2J",),
        )

    def app(self) -> Top:
        return Top("lab", self.look, self.near, wide=False, every=0.01)


async def until(pilot: Pilot[None], check: Callable[[], bool]) -> None:
    for _ in range(500):
        await pilot.pause(0.01)
        if check():
            return
    raise AssertionError("it is never so")


def shown(app: Top) -> list[str]:
    table = app.query_one("#stacks", DataTable)
    return [str(table.get_row_at(n)[0]) for n in range(table.row_count)]


def text(app: Top, which: str) -> str:
    return str(app.screen.query_one(which, Static).render())


async def test_stacks_are_shown_sorted_and_filtered() -> None:
    app = Site().app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: shown(app) == ["calm", "sick"])
        assert "2 stacks, 1 not well, by name" in text(app, "#head")
        await pilot.press("s")
        assert shown(app) == ["sick", "calm"]
        await pilot.press("slash", "c", "a")
        await until(pilot, lambda: shown(app) == ["calm"])
        assert "1 filtered out" in text(app, "#head")
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(shown(app)) == 2)
        await pilot.press("q")
    assert app.return_code == 0


async def test_enter_looks_inside_the_stack_under_the_cursor_and_escape_comes_back() -> None:
    site = Site()
    app = site.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(shown(app)) == 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, StackScreen) and "unhealthy" in text(app, "#sentence"))
        assert set(site.asked) == {"sick"}
        await until(pilot, lambda: "boom" in text(app, "#lines"))
        assert "\x1b" not in text(app, "#lines")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, StackScreen))


async def test_the_cursor_stays_on_its_stack_when_others_come() -> None:
    site = Site()
    app = site.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(shown(app)) == 2)
        await pilot.press("down")
        site.rows = [row("a"), *site.rows]
        await until(pilot, lambda: len(shown(app)) == 3)
        assert app.query_one("#stacks", DataTable).cursor_row == 2


async def test_a_platform_that_goes_away_is_said_and_comes_back() -> None:
    site = Site()
    app = site.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(shown(app)) == 2)
        site.gone = True
        await until(pilot, lambda: "No platform answers." in text(app, "#head"))
        assert shown(app) == ["calm", "sick"]
        site.gone = False
        await until(pilot, lambda: "not well" in text(app, "#head"))


def test_in_a_real_terminal_without_colours(api: FakeApi, tmp_path: Path) -> None:
    api.script["shop"] = [view(services=(service("web", "unhealthy", 0),), state="unhealthy")]
    settings = {
        "SPIN_URL": api.url,
        "SPIN_TOKEN": KEY,
        "XDG_CONFIG_HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "NO_COLOR": "1",
    }
    program = str(Path(sys.executable).with_name("spin"))
    child = pexpect.spawn(program, ["top"], env={**os.environ, **settings}, dimensions=(24, 80), timeout=30, encoding="utf-8")
    try:
        child.expect("1 not well")
        child.expect("shop")
        child.send("q")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert child.exitstatus == 0


def test_without_a_terminal_it_says_what_to_use_instead(api: FakeApi, spin: Any) -> None:
    done = spin("top")
    assert done.status == 2
    assert "spin ps" in done.err


@pytest.mark.parametrize("size", [(40, 10), (200, 60)])
async def test_it_fits_any_size(size: tuple[int, int]) -> None:
    app = Site().app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: len(shown(app)) == 2)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: len(shown(app)) == 2)
