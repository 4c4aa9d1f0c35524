"""Where words go: data to stdout, messages for people to stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import typer

from spin.cli import tables
from spin.cli.tables import Cell


def message(text: str = "") -> None:
    """A line for the person at the keyboard. What names and errors of elsewhere hold does not steer the terminal."""
    print(tables.harmless(text), file=sys.stderr, flush=True)


def data(text: str) -> None:
    """A line of data. A reader that has gone (`| head`) ends the command quietly."""
    try:
        print(text)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - stays open until the end, on purpose
        raise typer.Exit(0) from None


def json_data(value: Any) -> None:
    """Data for programs."""
    data(_seen(json.dumps(value, indent=2, ensure_ascii=False)))


def for_programs(value: Any, *, json: bool, template: str | None) -> bool:
    """Print `value` as JSON, or each of its items by the template, if either was asked for; whether it was. Raises InvalidInput."""
    if json and template is not None:
        raise typer.BadParameter("--json and --format exclude each other.")
    if json or template == "json":
        json_data(value)
    elif template is not None:
        from spin.cli.templates import fill  # noqa: PLC0415 - brings the template engine, which few need

        for text in fill(template, value if isinstance(value, list) else [value]):
            data(_seen(text))
    else:
        return False
    return True


def _seen(text: str) -> str:
    """Data as it is for programs; on a terminal, nothing of it steers that."""
    return tables.harmless(text) if is_terminal(sys.stdout) else text


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def colours(stream: TextIO) -> bool:
    """Whether `stream` gets colours: a terminal that knows them, and no NO_COLOR (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal, None for a file or pipe."""
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str | Cell]], *, empty: str, flexible: Collection[str] = ()
) -> None:
    """A table on stdout; where there are no rows, the sentence `empty` on stderr. See `spin.cli.tables.table` for `flexible`."""
    if not rows:
        message(empty)
        return
    width = terminal_width(sys.stdout)
    for line in tables.table(headings, rows, width=width, flexible=flexible, colours=colours(sys.stdout)):
        data(line)


def confirm(question: str, *, otherwise: str) -> None:
    """Go on only after a yes. Raises Abort after a no, and a usage error naming `otherwise` where nobody can be asked."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise typer.BadParameter(otherwise)
    typer.confirm(question, abort=True, err=True)


def now() -> datetime:
    return datetime.now(UTC)
