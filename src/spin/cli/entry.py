"""Where the program begins and ends: arguments in, exit status out, and never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer

from spin import __version__
from spin.cli import commands, lazy
from spin.cli.failures import describe
from spin.cli.output import message
from spin.errors import SpinError

HELP = """Build, ship, run and copy containers.

The contract is Docker Compose: `spin build`, `spin push` and `spin up` in the directory of a Compose file do what you expect.
"""
_COMPLETE = "__complete"
"""What the scripts of `spin completion` call."""
INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - the option's value, passed by Typer
    if wanted:
        typer.echo(f"spin {__version__}")
        raise typer.Exit


def _options(
    *,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options before the command."""


def root(extra: Mapping[str, lazy.Command] | None = None) -> Any:
    """The tree of commands (a command object of Typer's)."""
    return lazy.group("spin", commands.table(extra or {}), HELP, _options)


def run(extra: Mapping[str, lazy.Command] | None = None) -> NoReturn:
    """The program `spin`."""
    words = sys.argv[1:]
    _open_all()
    status = _complete(words[1:], extra) if words[:1] == [_COMPLETE] else main(words, extra)
    try:
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        pass
    except OSError as error:
        if status == 0:  # else it has been told
            message(_lost(error))
        status = status or 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains while it closes the pipe
    sys.exit(status)


def _open_all() -> None:
    """A shell may have closed standard streams (`>&-`): what is written there is lost, as was wished, and nobody stumbles."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - stays open until the end, on purpose


def _lost(error: OSError) -> str:
    return f"spin: {error.filename or 'what is printed goes nowhere'}: {error.strerror or error}."


def _complete(words: Sequence[str], extra: Mapping[str, lazy.Command] | None) -> int:
    from spin.cli.completion import complete  # noqa: PLC0415 - imported when it is called, as every command

    complete(words, commands.table(extra or {}).rows())
    return 0


def main(arguments: Sequence[str], extra: Mapping[str, lazy.Command] | None = None) -> int:
    """Run one command line and return its exit status (see `spin.errors`; 2 also for wrong usage, 130 after Ctrl-C)."""
    try:
        result = root(extra).main(list(arguments), prog_name="spin", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        message(f"spin: {error.format_message()}")
        if context is not None:
            message(f"Try `{context.command_path} --help`.")
        return error.exit_code
    except SpinError as error:
        if os.environ.get("SPIN_DEBUG"):
            traceback.print_exc()
        for line in describe(error):
            message(line)
        return error.exit_status
    except typer.Abort:
        message("spin: given up; nothing was done.")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader (`| head`) has what it wanted
    except OSError as error:
        message(_lost(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: a fault of ours is told in one line, too
        if os.environ.get("SPIN_DEBUG"):
            traceback.print_exc()
        message(f"spin: {type(error).__name__}: {error}")
        message("This is a fault of Spin's. SPIN_DEBUG=1 shows where; please report it.")
        return 1
    return result if isinstance(result, int) else 0
