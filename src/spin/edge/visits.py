"""Answers with status 5xx, from the log that Caddy writes of them alone.

Of each is written when, which host, and which status: nothing that tells of a person. The file is cut off at a size, and what a
platform that does not run would have read is not counted.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from spin.model.names import fold_host

MOST = 32 * 2**20
"""Bytes that are read in one go; of more failures than some 150,000 a minute the rest is not counted."""
FILE = "failed.log"
"""In the edge's own directory."""
LOGGER = "failed"
MEGABYTES = 10
"""At this size the file is put aside for a new one, and the one before it removed."""


def logging() -> dict[str, object]:
    """The logger, for Caddy's configuration. Caddy logs an answer with status 5xx as an error and looks at the level first: the others
    cost nothing."""
    nothing = {"filter": "delete"}
    fields = ("headers", "tls", "uri", "remote_ip", "remote_port", "client_ip", "proto", "method")
    return {
        "include": [f"http.log.access.{LOGGER}"],
        "level": "ERROR",
        "writer": {
            "output": "file",
            "filename": FILE,
            "mode": "0600",
            "roll_size_mb": MEGABYTES,
            "roll_keep": 1,
            "roll_gzip": False,
        },
        "encoder": {
            "format": "filter",
            "wrap": {"format": "json"},
            "fields": {f"request>{name}": nothing for name in fields} | {"resp_headers": nothing, "user_id": nothing},
        },
    }


class Failures:
    """Reads on where it has stopped, also in a file that was put aside meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open(at_end=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self) -> Counter[str]:
        """What was added since the last time, by host. Raises OSError."""
        found = self._read()
        try:
            here = self._path.stat().st_ino
        except FileNotFoundError:
            return found
        if self._file is None or os.fstat(self._file.fileno()).st_ino != here:
            self.close()
            self._open(at_end=False)
            found += self._read()
        return found

    def _open(self, *, at_end: bool) -> None:
        self._rest = b""
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def _read(self) -> Counter[str]:
        if self._file is None:
            return Counter()
        text = self._rest + self._file.read(MOST)
        if len(text) >= MOST:
            self._file.seek(0, os.SEEK_END)
        *lines, self._rest = text.split(b"\n")
        return Counter(host for host in map(_host, lines) if host)


def _host(line: bytes) -> str:
    """Without its port; empty for what is no such line."""
    try:
        said = str(json.loads(line)["request"]["host"])
    except (ValueError, KeyError, TypeError):
        return ""
    return fold_host(re.sub(r":\d+$", "", said))
