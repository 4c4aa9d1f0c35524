"""Where the upstreams of the configuration lead: a small file for each, which Caddy reads anew for every request and every retry.

So containers are exchanged without a new configuration: no connection of a visitor is touched. The files outlive Caddy and Spin.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from spin.edge.render import FOLDER, NOBODY
from spin.edge.table import Host, spread


class TargetFiles:
    """The files below the edge's directory. One process at a time writes them."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def read(self, host: Host) -> tuple[str, ...]:
        """The targets that the host's upstreams lead to, sorted.

        Where its files do not agree (one is missing, or a change was cut short), what they say is given as it is, so that it equals
        nothing that anybody wants: an empty text for a file that cannot be read, and the name of Caddy's own socket.
        """
        found = {self._content(self._file(host.name, slot)) for slot in range(host.slots)}
        return () if found == {NOBODY} else tuple(sorted(found))

    def write(self, host: Host, targets: tuple[str, ...]) -> None:
        """Each file whole or not at all, and only those that differ."""
        folder = self._folder / host.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for slot, target in enumerate(spread(targets or (NOBODY,), host.slots)):
            file = self._file(host.name, slot)
            if self._content(file) != target:
                new = folder / "new"
                new.write_text(target)
                new.replace(file)

    def keep_only(self, names: frozenset[str]) -> None:
        """Remove the files of all other hosts."""
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                if folder.name not in names:
                    shutil.rmtree(folder, ignore_errors=True)

    def _file(self, name: str, slot: int) -> Path:
        return self._folder / name / str(slot)

    def _content(self, file: Path) -> str:
        try:
            return file.read_text()
        except (OSError, ValueError):
            return ""
