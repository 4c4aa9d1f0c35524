"""Commands that are imported when they are called.

A command is a row in a table: its name, where its function is, and one line of help. `spin --help` prints the rows and imports
none of them; `spin ps` imports the module of `ps` only. The function is an ordinary Typer command; its first line of
documentation is the row's line of help (tests hold the two together).
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import typer
from typer.core import TyperGroup
from typer.main import get_command

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `source` is `module:function`."""

    source: str
    help: str


@dataclass(frozen=True, slots=True)
class Noun:
    """Commands below a word: `spin secret ls`."""

    help: str
    commands: Mapping[str, Command | Noun]


Row: TypeAlias = Command | Noun


@dataclass(frozen=True, slots=True)
class Table:
    """The rows in the sections of the help, and what people who come from elsewhere call things here."""

    sections: Mapping[str, Mapping[str, Row]]
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> dict[str, Row]:
        return {name: row for section in self.sections.values() for name, row in section.items()}


class LazyGroup(TyperGroup):
    """A group whose commands come from a `Table`. Types of the command line library are not named: it keeps them private."""

    table: Table = Table({})

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        row = self.table.rows().get(cmd_name)
        if row is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load(cmd_name, row)
        return self.commands[cmd_name]

    def list_commands(self, _ctx: Any) -> list[str]:
        return list(self.table.rows())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        rows = self.table.rows()
        if word not in rows and not word.startswith("-"):
            meant = [self.table.elsewhere[word]] if word in self.table.elsewhere else difflib.get_close_matches(word, rows)
            prefix = ctx.command_path
            ctx.fail(
                f"There is no command {word!r}."
                + (f" Did you mean {_either(f'`{prefix} {m}`' for m in meant)}?" if meant else "")
            )
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        width = max((len(name) for name in self.table.rows()), default=0)
        for title, section in self.table.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), row.help) for name, row in section.items()])


def load(name: str, row: Row) -> Any:
    """The command behind a row."""
    if isinstance(row, Noun):
        return group(name, Table({"Commands": row.commands}), row.help)
    module, _, attribute = row.source.partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)
    app.command(name)(getattr(importlib.import_module(module), attribute))
    return get_command(app)


def group(name: str, table: Table, help: str, options: Any = None) -> Any:
    """A group of the table's commands. `options`: a Typer callback with the options before the command."""
    kind = type("Group", (LazyGroup,), {"table": table})
    app = typer.Typer(name=name, cls=kind, help=help, add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)
    app.callback()(options or _no_options)
    return get_command(app)


def _no_options() -> None:
    pass


def _either(choices: Any) -> str:
    return " or ".join(choices)
