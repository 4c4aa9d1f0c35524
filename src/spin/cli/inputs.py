"""What the person gives: files named on the command line, stdin, passwords."""

from __future__ import annotations

import errno
import getpass
import sys
from pathlib import Path
from typing import BinaryIO

from spin.cli.output import is_terminal
from spin.errors import InvalidInput
from spin.kit.text import decoded

MOST_BYTES = 16 * 1024 * 1024
"""Longest file that is read: some times what the platform takes. A device or a pipe may have no end."""


def read_text(name: str) -> str:
    """The text of a file, `-` for stdin. Raises InvalidInput."""
    try:
        return decoded(read_bytes(name))
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not a text in UTF-8.", file=name) from None


def read_bytes(name: str) -> bytes:
    """The bytes of a file, `-` for stdin. Raises InvalidInput."""
    try:
        return read_bounded(sys.stdin.buffer) if name == "-" else read_file(Path(name))
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror}.", file=name) from None


def read_file(path: Path) -> bytes:
    """Raises OSError, also where it is too large."""
    with path.open("rb") as file:
        return read_bounded(file)


def read_bounded(file: BinaryIO) -> bytes:
    """All that is in the file. Raises OSError, also where it is too large."""
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MOST_BYTES // 1024**2} MiB")
    return data


def read_line(name: str) -> str:
    """A file with one line in it (a key, a password), `-` for stdin. Raises InvalidInput where it is empty or longer."""
    lines = read_text(name).splitlines()
    if len(lines) != 1 or not lines[0].strip():
        raise InvalidInput(f"{'stdin' if name == '-' else name} must hold exactly one line.")
    return lines[0].strip()


def read_password(prompt: str) -> str:
    """Asked for without echo on a terminal; else the one line of stdin."""
    return getpass.getpass(prompt) if is_terminal(sys.stdin) else read_line("-")
