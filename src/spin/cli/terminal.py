"""The terminal that a command runs in, lent to a program elsewhere and given back as it was, whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from spin.model.streams import Size


def size() -> Size | None:
    """Of the terminal that this process has, if it has one."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            found = os.get_terminal_size(stream.fileno())
            return Size(found.lines, found.columns)
    return None


@contextlib.contextmanager
def lent(descriptor: int, resized: Callable[[Size], None]) -> Iterator[None]:
    """Every key goes to the program elsewhere for the block, Ctrl-C too; `resized` is told each new size.

    Also when this process is told to end, or its terminal hangs up, the terminal is given back first.
    """
    before = termios.tcgetattr(descriptor)

    def change(_number: int, _frame: FrameType | None) -> None:
        now = size()
        if now is not None:
            resized(now)

    handlers = {
        signal.SIGWINCH: signal.signal(signal.SIGWINCH, change),
        signal.SIGTERM: signal.signal(signal.SIGTERM, _end),
        signal.SIGHUP: signal.signal(signal.SIGHUP, _end),
    }
    try:
        tty.setraw(descriptor)
        yield
    finally:
        with contextlib.suppress(termios.error):  # it has hung up
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
