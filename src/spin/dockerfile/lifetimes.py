"""When versions of common base images get their last security updates.

Dates are those of the projects themselves, as of RECORDED: Debian with its long-term support (wiki.debian.org/LTS), Ubuntu's standard
support (ubuntu.com/about/release-cycle), Alpine (alpinelinux.org/releases), CentOS (centos.org), Python (devguide.python.org/versions),
Node.js (github.com/nodejs/Release), PHP (php.net/supported-versions), PostgreSQL (postgresql.org/support/versioning), Ruby
(ruby-lang.org/en/downloads/branches). Compared with the collection at endoflife.date (August 2026). What is not in
here counts as cared for. Where only a month was announced, its last day stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

RECORDED = date(2026, 11, 25)

_DEBIAN = {
    "7": "2018-05-31",
    "8": "2020-06-30",
    "9": "2022-06-30",
    "10": "2024-06-30",
    "11": "2026-08-31",
    "12": "2028-06-30",
    "13": "2030-06-30",
}
_UBUNTU = {
    "12.04": "2017-04-28",
    "14.04": "2019-04-30",
    "16.04": "2021-04-30",
    "18.04": "2023-05-31",
    "20.04": "2025-05-31",
    "22.04": "2027-04-30",
}
_ALPINE = {
    "3.1": "2016-11-01",
    "3.2": "2017-05-01",
    "3.3": "2017-11-01",
    "3.4": "2018-05-01",
    "3.5": "2018-11-01",
    "3.6": "2019-05-01",
    "3.7": "2019-11-01",
    "3.8": "2020-05-01",
    "3.9": "2020-11-01",
    "3.10": "2021-05-01",
    "3.11": "2021-11-01",
    "3.12": "2022-05-01",
    "3.13": "2022-11-01",
    "3.14": "2023-05-01",
    "3.15": "2023-11-01",
    "3.16": "2024-05-23",
    "3.17": "2024-11-22",
    "3.18": "2025-05-09",
    "3.19": "2025-11-01",
    "3.20": "2026-04-01",
    "3.21": "2026-11-01",
    "3.22": "2027-05-01",
}
_CODENAMES = {
    "wheezy": ("Debian", "7"),
    "jessie": ("Debian", "8"),
    "stretch": ("Debian", "9"),
    "buster": ("Debian", "10"),
    "bullseye": ("Debian", "11"),
    "bookworm": ("Debian", "12"),
    "trixie": ("Debian", "13"),
    "trusty": ("Ubuntu", "14.04"),
    "xenial": ("Ubuntu", "16.04"),
    "bionic": ("Ubuntu", "18.04"),
    "focal": ("Ubuntu", "20.04"),
    "jammy": ("Ubuntu", "22.04"),
}
_ENDS: dict[str, tuple[str, dict[str, str]]] = {
    "debian": ("Debian", _DEBIAN),
    "ubuntu": ("Ubuntu", _UBUNTU),
    "alpine": ("Alpine", _ALPINE),
    "centos": ("CentOS", {"6": "2020-11-30", "7": "2024-06-30", "8": "2021-12-31"}),
    "python": (
        "Python",
        {
            "2": "2020-01-01",
            "3.5": "2020-09-30",
            "3.6": "2021-12-23",
            "3.7": "2023-06-27",
            "3.8": "2024-10-07",
            "3.9": "2025-10-31",
            "3.10": "2026-10-31",
            "3.11": "2027-10-31",
            "3.12": "2028-10-31",
            "3.13": "2029-10-31",
        },
    ),
    "node": (
        "Node.js",
        {
            "8": "2019-12-31",
            "10": "2021-04-30",
            "12": "2022-04-30",
            "14": "2023-04-30",
            "16": "2023-09-11",
            "17": "2022-06-01",
            "18": "2025-04-30",
            "19": "2023-06-01",
            "20": "2026-04-30",
            "21": "2024-06-01",
            "22": "2027-04-30",
            "23": "2025-06-01",
            "24": "2028-04-30",
        },
    ),
    "php": ("PHP", {"5": "2018-12-31", "7": "2022-11-28", "8.0": "2023-11-26", "8.1": "2025-12-31", "8.2": "2026-12-31"}),
    "postgres": (
        "PostgreSQL",
        {
            "9": "2021-11-11",
            "10": "2022-11-10",
            "11": "2023-11-09",
            "12": "2024-11-21",
            "13": "2025-11-13",
            "14": "2026-11-12",
            "15": "2027-11-11",
        },
    ),
    "ruby": ("Ruby", {"2": "2023-03-31", "3.0": "2024-04-23", "3.1": "2025-03-26", "3.2": "2026-03-31", "3.3": "2027-03-31"}),
}
_VERSION = re.compile(r"v?([0-9]{1,4}(?:\.[0-9]{1,4}){0,3})")
_ALPINE_PART = re.compile(r"alpine([0-9]{1,2}\.[0-9]{1,3})")


def end_of_life(repository: str, tag: str) -> Iterator[tuple[str, date]]:
    """What an image is built on, as far as its name tells, and when that gets its last security updates."""
    known = _ENDS.get(_official(repository))
    parts = tag.lower().split("-")
    version = _VERSION.match(parts[0])
    if known is not None and version is not None:
        yield from _lookup(*known, version[1])
    for part in parts:
        name, number = _CODENAMES.get(part, ("", ""))
        if number:
            yield from _lookup(name, _DEBIAN if name == "Debian" else _UBUNTU, number)
        elif match := _ALPINE_PART.fullmatch(part):
            yield from _lookup("Alpine", _ALPINE, match[1])


def _official(repository: str) -> str:
    """The name of an official image: `docker.io/library/python` is `python`, `someone/python` is nobody's that is known here."""
    for prefix in ("docker.io/library/", "docker.io/", "index.docker.io/library/", "library/"):
        if repository.startswith(prefix):
            return repository.removeprefix(prefix)
    return repository


def _lookup(name: str, ends: dict[str, str], version: str) -> Iterator[tuple[str, date]]:
    numbers = version.split(".")
    for length in range(len(numbers), 0, -1):
        if (cycle := ".".join(numbers[:length])) in ends:
            yield f"{name} {cycle}", date.fromisoformat(ends[cycle])
            return
