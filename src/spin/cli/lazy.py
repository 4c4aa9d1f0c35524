"""Commands that are imported when they are called.

A command is a row in a table: its name, where its function is, and one line of help. `spin --help` prints the rows and imports
none of them; `spin ps` imports the module of `ps` only. The function is an ordinary Typer command; its first line of
documentation is the row's line of help (tests hold the two together).
"""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `source` is `module:function`."""

    source: str
    help: str
    program: bool = False
    """What follows its first argument is the command line of another program, options and all."""


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


class QuickCommand(TyperCommand):
    """A command that takes what needs no conversion as it is. Typer's conversion imports pydantic, which takes three times as long
    as everything else that `spin ps` does. Its help shows arguments as Docker's does: `STACK`, `[SERVICE]...`.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        return [quick(parameter) for parameter in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return ["[OPTIONS]", *(_shown(argument) for argument in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        parameters = self.get_params(ctx)
        arguments = [(_shown(p), p.help) for p in parameters if p.param_type_name == "argument" and p.help]
        options = [p.get_help_record(ctx) for p in parameters if p.param_type_name == "option" and not p.hidden]
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class LazyGroup(TyperGroup):
    """A group whose commands come from a `Table`. Types of the command line library are not named: it keeps them private."""

    table: Table = Table({})

    def get_params(self, ctx: Any) -> list[Any]:
        return [quick(parameter) for parameter in super().get_params(ctx)]

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
    settings = {"allow_interspersed_args": False} if row.program else {}
    app.command(name, cls=QuickCommand, context_settings=SETTINGS | settings)(getattr(importlib.import_module(module), attribute))
    return get_command(app)


def _shown(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return (name if argument.required else f"[{name}]") + ("..." if argument.nargs != 1 else "")


def quick(parameter: Any) -> Any:
    """`parameter`, asking for Typer's conversion only where `_as_it_is` does not do."""
    if "process_value" not in vars(parameter):
        parameter.process_value = functools.partial(_process_value, parameter, parameter.process_value)
    return parameter


def _process_value(parameter: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    taken = _as_it_is(parameter, value)
    if taken is _CONVERT:
        return convert(context, value)
    return taken if parameter.callback is None else parameter.callback(context, parameter, taken)


_CONVERT = object()


def _as_it_is(parameter: Any, value: Any) -> Any:
    """What `value` comes to where that is plain: nothing, a text, texts, a number in its bounds; else `_CONVERT`."""
    if parameter.required and parameter.value_is_missing(value):
        return _CONVERT  # Typer says what is missing
    kind = parameter.type_descriptor.annotation
    several = parameter.multiple or parameter.nargs == -1
    if value is None:
        return () if several else None
    if (several and kind == list[str]) or (not several and kind in (str, bool, int, float) and isinstance(value, kind)):
        return value
    if kind is int and isinstance(value, str) and value.isdecimal():
        bounds, number = parameter.type_descriptor.parameter_info, int(value)
        if (bounds.min is None or number >= bounds.min) and (bounds.max is None or number <= bounds.max):
            return number
    return _CONVERT


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
