"""What loading may look at on the workstation, and what it has used up. Paths are relative to the project directory, or absolute."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from spin.compose.nodes import Node, Position, fail
from spin.kit.text import decoded, quoted

MOST_FILES = 200
"""Most files that one invocation reads by `include`, `extends`, `env_file` and `label_file`."""
MOST_LEVELS = 20
"""Deepest chain of `include` or `extends`."""
MOST_VALUES = 200_000
"""Most values that `extends` may produce in all; each level may repeat what the one below it has."""


class Kind(StrEnum):
    """What a path leads to."""

    FILE = "a file"
    DIRECTORY = "a directory"
    NOTHING = "nothing"
    SPECIAL = "no regular file"
    OUTSIDE = "a file outside of the project directory"


class Look(NamedTuple):
    """What can be said of a path without reading it. Links are followed."""

    kind: Kind
    size: int = 0
    """Bytes of a file."""
    executable: bool = False


def _blind(_path: str) -> Look:
    return Look(Kind.NOTHING)


@dataclass(slots=True)
class Workspace:
    """The user's files."""

    read: Callable[[str], bytes]
    """The contents of a file. Raises OSError."""
    look: Callable[[str], Look] = _blind
    files: int = field(default=0, init=False)
    values: int = field(default=0, init=False)

    def fetch(self, path: str, at: Position, key: str) -> bytes:
        """A file that the document names. Raises OSError, and InvalidInput where too many are read."""
        self.files += 1
        if self.files > MOST_FILES:
            fail(at, f"more than {MOST_FILES} files are read for this one; name fewer.", key=key)
        return self.read(path)

    def text(self, path: str, at: Position, key: str) -> str:
        """The text of such a file. Raises InvalidInput."""
        try:
            return decoded(self.fetch(path, at, key))
        except OSError as error:
            fail(at, unreadable(path, error), key=key)
        except UnicodeDecodeError:
            fail(at, f"{quoted(path)} is not UTF-8 text; save it as UTF-8.", key=key)

    def grown(self, node: Node, key: str) -> None:
        """Counts what `extends` has produced. Raises InvalidInput where it is too much."""
        self.values += _count(node)
        if self.values > MOST_VALUES:
            fail(node.at, f"`extends` produces more than {MOST_VALUES} values in all; extend less, or less often.", key=key)


def _count(node: Node) -> int:
    if isinstance(node.value, dict):
        return 1 + sum(map(_count, node.value.values()))
    return 1 + sum(map(_count, node.value)) if isinstance(node.value, list) else 1


def unreadable(path: str, error: OSError) -> str:
    """A sentence for people."""
    reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or "it cannot be read"
    return f"{quoted(path)} cannot be read: {reason}; correct the path or create the file."


def joined(directory: str, path: str) -> str:
    """`path`, as written in `directory`, seen from the project directory. Absolute paths and those from home stay."""
    if not directory or not path or path.startswith(("/", "~")):
        return path
    return posixpath.normpath(posixpath.join(directory, path))
