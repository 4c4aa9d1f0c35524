"""Absolute paths as text. Pure: nothing is looked up."""

from __future__ import annotations

LONGEST_PATH = 4095
"""Bytes of the longest path that Linux takes (PATH_MAX without its NUL)."""


def normal_path(text: str) -> str | None:
    """An absolute path without `.`, doubled and final slashes; None for anything else, such as one that climbs (`..`)."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not text.startswith("/") or ".." in parts or not text.isprintable() or len(text.encode()) > LONGEST_PATH:
        return None
    return "/" + "/".join(parts)


def is_below(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies in it; both normal."""
    return directory in ("/", path) or path.startswith(directory + "/")


def steps_below(path: str, directory: str) -> int:
    """How many directories deep `path` lies in `directory`, which it is below."""
    return len([part for part in path[len(directory) :].split("/") if part])
