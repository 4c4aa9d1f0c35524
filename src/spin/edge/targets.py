"""Where the upstreams of the configuration lead: a file for each, which Caddy reads anew for every request and every retry.

So containers are exchanged without a new configuration: no connection of a visitor is touched. The files outlive Caddy and Spin. Each is a
symbolic link to a file with the target's text: a link is exchanged without a write to the disk, which takes a tenth of the time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from spin.edge.render import FOLDER, NOBODY, SOON
from spin.edge.table import Host, spread
from spin.model.observed import Route

_SPARE = 1000
"""Files of targets that nothing leads to any more, and that are not worth looking for."""


class TargetFiles:
    """The files below the edge's directory. One process at a time writes them."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER
        self._texts = directory / "to"

    def read(self, host: Host) -> Route:
        """Where the host's upstreams lead.

        Where its files do not agree (one is missing, or a change was cut short), what they say is given as it is, so that it equals
        nothing that anybody wants: an empty text for a file that cannot be read, and the name of Caddy's own socket.
        """
        names = {_leads_to(self._link(host.name, slot)) for slot in range(host.slots)}
        found = {self._target(name) for name in names}
        if found in ({NOBODY}, {SOON}):
            return Route(host.name, host.owner, (), hold=found == {SOON})
        return Route(host.name, host.owner, tuple(sorted(found)))

    def write(self, host: Host, route: Route) -> None:
        """Each file whole or not at all, and only those that differ."""
        targets = route.targets or ((SOON,) if route.hold else (NOBODY,))
        folder = self._folder / host.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for target in targets:
            self._write_text(target)
        for slot, target in enumerate(spread(targets, host.slots)):
            link = self._link(host.name, slot)
            if _leads_to(link) != _name(target):
                new = folder / "new"
                new.unlink(missing_ok=True)
                new.symlink_to(f"../../{self._texts.name}/{_name(target)}")
                new.replace(link)

    def keep_only(self, hosts: frozenset[str]) -> None:
        """Remove the files of all other hosts, and now and then those of targets that nothing leads to."""
        for folder in _entries(self._folder):
            if folder.name not in hosts:
                shutil.rmtree(folder, ignore_errors=True)
        texts = _entries(self._texts)
        if len(texts) > _SPARE + 2 * len(hosts):
            used = {_leads_to(link) for folder in _entries(self._folder) for link in _entries(folder)}
            for text in texts:
                if text.name not in used:
                    text.unlink(missing_ok=True)

    def _write_text(self, target: str) -> None:
        if self._target(_name(target)) != target:
            self._texts.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = self._texts / "new"
            new.write_text(target)
            new.replace(self._texts / _name(target))

    def _link(self, host: str, slot: int) -> str:
        return f"{self._folder}/{host}/{slot}"

    def _target(self, name: str) -> str:
        """What is in the file of that name, if it is what should be."""
        try:
            text = (self._texts / name).read_text()
        except (OSError, ValueError):
            return ""
        return text if _name(text) == name else ""


def _name(target: str) -> str:
    return target.rpartition("/")[2]


def _leads_to(link: str | Path) -> str:
    """The name of the file that the link leads to; empty if there is no such link."""
    try:
        return _name(os.readlink(link))  # noqa: PTH115 - Path.readlink takes three times as long, and there are 20 links a host
    except OSError:
        return ""


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
