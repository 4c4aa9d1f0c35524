"""What the person gives: files named on the command line, stdin, passwords."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from spin.cli.output import is_terminal
from spin.errors import InvalidInput


def read_text(name: str) -> str:
    """The text of a file, `-` for stdin. Raises InvalidInput."""
    try:
        return read_bytes(name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not a text in UTF-8.", file=name) from None


def read_bytes(name: str) -> bytes:
    """The bytes of a file, `-` for stdin. Raises InvalidInput."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.", file=name) from None


def read_line(name: str) -> str:
    """A file with one line in it (a key, a password), `-` for stdin. Raises InvalidInput where it is empty or longer."""
    lines = read_text(name).splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise InvalidInput(f"{'stdin' if name == '-' else name} must hold exactly one line.")
    return lines[0].strip()


def read_password(prompt: str) -> str:
    """Asked for without echo on a terminal; else the one line of stdin."""
    return getpass.getpass(prompt) if is_terminal(sys.stdin) else read_line("-")
