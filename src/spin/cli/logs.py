"""`spin logs`."""

from __future__ import annotations

import json as json_module
import os
import re
import sys
from typing import Annotated, TextIO

import typer

from spin.cli.options import EnvironmentOption, JsonOption, ProjectOption
from spin.cli.output import colours, is_terminal, message, now
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.tables import harmless, paint, short
from spin.cli.times import parse_time
from spin.cli.times import since as point
from spin.client.logs import LogBlock
from spin.model.log import TIME_LENGTH, for_programs
from spin.model.streams import STDERR

_PALETTE = ("cyan", "yellow", "green", "red")
_TEXT = TIME_LENGTH + 1
_RESET = "\x1b[0m"


def logs(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE[/N]]")],
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    tail: Annotated[
        str | None, typer.Option("-n", "--tail", metavar="N", help="Last lines of each container; default: all.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Such as 90s, 1h, or 2026-01-31T12:00Z.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Likewise.")] = None,
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="Begin each line with its time.")] = False,
    grep: Annotated[
        str | None, typer.Option("-g", "--grep", metavar="PATTERN", help="Only lines in which this (Python's re) is found.")
    ] = None,
    ignore_case: Annotated[bool, typer.Option("-i", "--ignore-case", help="For --grep.")] = False,
    invert: Annotated[bool, typer.Option("-v", "--invert-match", help="Only lines in which --grep is not found.")] = False,
    removed: Annotated[bool, typer.Option("-a", "--all", help="Also of containers that have been removed.")] = False,
    container: Annotated[
        str | None,
        typer.Option("--container", metavar="ID", help="Only this container, by its id or how that begins; also removed."),
    ] = None,
    no_prefix: Annotated[bool, typer.Option("--no-prefix", help="Do not begin lines with the container's name.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Control sequences too, where the output is a terminal.")] = False,
    json: JsonOption = False,
) -> None:
    """Print what containers have written.

    What they wrote to stderr goes to stderr.

    Each line begins with its container's name. With --all: also of containers that have been removed, as far as the site keeps their
    logs; so too where the stack is gone. --grep looks at what the other options leave. With --json: one JSON object a line.
    """
    ref = parse_ref(target)
    pattern = None if grep is None else _pattern(grep, ignore_case=ignore_case)
    if invert and pattern is None:
        raise typer.BadParameter("--invert-match needs --grep.")
    if follow and until is not None:
        raise typer.BadParameter("--follow has no end: leave out either --follow or --until.")
    begin = None if since is None else point(since, now())
    end = None if until is None else point(until, now(), option="--until")
    last = _tail(tail)
    if begin is not None and end is not None and parse_time(begin) > parse_time(end):
        raise typer.BadParameter(f"--since {since} is later than --until {until}.")
    printer = _Printer(
        timestamps=timestamps, pattern=pattern, invert=invert, names=not no_prefix, ids=removed, raw=raw, json=json, flush=follow
    )
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        feed = stack.log_feed(
            service=ref.service,
            slot=ref.slot,
            instance=container,
            tail=last,
            since=begin,
            until=end,
            removed=removed,
            follow=follow,
        )
        try:
            for block in feed.blocks():
                printer.print(block)
            sys.stdout.flush()
        except BrokenPipeError:  # a reader that has gone (`| head`) ends the command quietly
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - stays open until the end, on purpose
            raise typer.Exit(0) from None
        if not printer.printed and pattern is None:
            message(f"{ref} has written nothing{'' if since is None else f' since {since}'}.")


def _tail(text: str | None) -> int | None:
    """None: all, for which Docker has a word, too."""
    if text in (None, "all"):
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise typer.BadParameter(f"--tail {text}: a number of lines from 0 on, or all.")
    return int(text)


def _pattern(text: str, *, ignore_case: bool) -> re.Pattern[bytes]:
    try:
        return re.compile(os.fsencode(text), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise typer.BadParameter(f"--grep {text}: {error}.") from None


class _Printer:
    """Writes lines as they were to files and pipes; on a terminal without what could take it over."""

    def __init__(self, *, pattern: re.Pattern[bytes] | None, **how: bool) -> None:
        self._pattern = pattern
        self._invert, self._timestamps, self._json = how["invert"], how["timestamps"], how["json"]
        self._names, self._ids, self._raw, self._flush = how["names"], how["ids"], how["raw"], how["flush"]
        self._colours: dict[str, str] = {}
        self._width = 0
        self.printed = False

    def print(self, block: LogBlock) -> None:
        self.printed = True
        lines = block.lines.split(b"\n")
        lines.pop()
        if self._pattern is not None:
            found = self._pattern.search
            lines = [line for line in lines if (found(line[_TEXT:]) is None) is self._invert]
            if not lines:
                return
        to_stderr = block.stream == STDERR and not self._json
        stream = sys.stderr if to_stderr else sys.stdout
        if self._json:
            text = "".join(f"{json_module.dumps(_view(block, line), ensure_ascii=False)}\n" for line in lines).encode()
        else:
            text = self._text(block, lines, stream)
        stream.flush()
        stream.buffer.write(text)
        if self._flush or to_stderr:
            stream.buffer.flush()

    def _text(self, block: LogBlock, lines: list[bytes], stream: TextIO) -> bytes:
        prefix = self._prefix(block, stream).encode() if self._names else b""
        if is_terminal(stream) and not self._raw:
            lines = [line[:_TEXT] + shown(line[_TEXT:]) for line in lines]
        told = lines if self._timestamps else [line[_TEXT:] for line in lines]
        return prefix + (b"\n" + prefix).join(told) + b"\n"

    def _prefix(self, block: LogBlock, stream: TextIO) -> str:
        name = f"{block.instance} {short(block.id)}" if self._ids else block.instance
        self._width = max(self._width, len(name))
        colour = self._colours.setdefault(name, _PALETTE[len(self._colours) % len(_PALETTE)])
        return paint(f"{name:{self._width}} | ", colour, colours=colours(stream))


def shown(text: bytes) -> bytes:
    """A line for a terminal."""
    line = text.removesuffix(b"\r").decode(errors="backslashreplace")
    return (harmless(line) + (_RESET if "\x1b[" in line else "")).encode()


def _view(block: LogBlock, line: bytes) -> dict[str, str | None]:
    return for_programs(block.instance, block.id, (line[:TIME_LENGTH], block.stream, line[_TEXT:]))
