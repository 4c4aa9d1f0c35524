"""The program `spin`: the command line, and `serve` beside it. Only this package knows both sides.

`spin ps` must not pay for the server, so `serve` is a row in the table of commands and is imported when it is called.
"""

from __future__ import annotations

from typing import NoReturn

from spin.cli.entry import run as run_commands
from spin.cli.lazy import Command

SERVE = Command("spin.main.serve:serve", "Run the platform on this machine.")


def run() -> NoReturn:
    """Entry point of the console script."""
    run_commands({"serve": SERVE})
