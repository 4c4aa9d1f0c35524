"""The user's files, read within limits: a path in a Compose file may lead to a device that never ends, or to ten gigabytes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from spin.compose.workspace import Kind, Look

MOST_FILE = 4 * 1024 * 1024
"""Largest file that is read, bytes. A Compose file, a config or a secret has at most 1 MiB; an env file is smaller."""
MOST_ALL = 64 * 1024 * 1024
"""Most bytes that the paths of one Compose file may lead to in all."""


@dataclass(slots=True)
class Directory:
    """The project's directory, as the Compose files in it see the machine."""

    path: Path
    _total: int = field(default=0, init=False)

    def _at(self, path: str) -> Path:
        return self.path / Path(path).expanduser()

    def read(self, path: str) -> bytes:
        """The bytes of a path that is written in a Compose file; links are followed. Raises OSError, also for what is no regular
        file or is too large; nothing is waited for.
        """
        try:
            descriptor = os.open(self._at(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (ValueError, RuntimeError):
            raise FileNotFoundError(2, "No such file or directory", path) from None
        try:
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(21, "it is a directory", path)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(22, "it is a device, a socket or a pipe, no regular file", path)
            if found.st_size > MOST_FILE:
                raise OSError(27, f"it has more than {MOST_FILE // 1024**2} MiB", path)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(MOST_FILE + 1)
        finally:
            os.close(descriptor)
        self._total += len(data)
        if len(data) > MOST_FILE or self._total > MOST_ALL:
            raise OSError(27, f"the files of this Compose file have more than {MOST_ALL // 1024**2} MiB in all", path)
        return data

    def look(self, path: str) -> Look:
        """What a bind of that path would lead to, links followed. Never raises."""
        try:
            real = self._at(path).resolve(strict=True)
            found = real.stat()
        except (OSError, ValueError, RuntimeError):
            return Look(Kind.NOTHING)
        home = self.path.resolve()
        if home not in real.parents or (home == Path(home.root) and Path(path).is_absolute()):
            return Look(Kind.DIRECTORY if real == home else Kind.OUTSIDE)
        if stat.S_ISDIR(found.st_mode):
            return Look(Kind.DIRECTORY)
        if not stat.S_ISREG(found.st_mode):
            return Look(Kind.SPECIAL)
        return Look(Kind.FILE, found.st_size, executable=bool(found.st_mode & 0o111))
