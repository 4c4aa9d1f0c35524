"""What an image says of itself: facts for the audit, read from JSON that a stranger wrote.

Image configurations are those of OCI (image-spec, config.md) and of Docker, which name the same things alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MOST_ENTRIES = 256
"""Most variables, labels, ports, words of a command that are kept: an image is a stranger's, and real ones have dozens."""
MOST_TEXT = 4096
"""Most characters that are kept of one value."""
MOST_IN_ALL = 65536
"""Most characters that are kept of one image."""
_PORT = re.compile(r"([0-9]{1,5})(?:/(?:tcp|udp|sctp))?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The facts of one image, for one platform. Everything here is the image's own word."""

    user: str = ""
    """`USER` of its Dockerfile; empty: root."""
    healthcheck: tuple[str, ...] | None = None
    """As in Docker's configuration (`CMD`, …); None: it has none."""
    exposed: tuple[int, ...] = ()
    """Numbers of the ports that it says it listens on, sorted."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    created: datetime | None = None
    """When it was built, if it says so. Reproducible builds say 1970 or so, which is no date: None."""
    size_bytes: int | None = None
    """Sum of its layers as they are transferred, compressed."""
    layers: int = 0
    history: tuple[str, ...] = field(default=(), repr=False)
    """The steps that made it, oldest first: build arguments stay readable there."""

    @property
    def root(self) -> bool:
        """Its processes run as root, unless the Compose file says otherwise."""
        return self.user.partition(":")[0] in ("", "0", "root")


_NO_DATE_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)


def read_facts(document: Any, *, size_bytes: int | None = None, layers: int = 0) -> ImageFacts:
    """The facts in an image's configuration: an untrusted JSON value. What is not as it should be is left out; nothing raises."""
    document = document if isinstance(document, Mapping) else {}
    found = document.get("config")
    config: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    room = _Room(MOST_IN_ALL)
    health = config.get("Healthcheck")
    test = tuple(room.texts(health.get("Test"))) if isinstance(health, Mapping) else ()
    return ImageFacts(
        user=room.text(config.get("User")),
        healthcheck=test if test and test != ("NONE",) else None,
        exposed=tuple(sorted(set(_ports(config.get("ExposedPorts"))))),
        command=tuple(room.texts(config.get("Cmd"))),
        entrypoint=tuple(room.texts(config.get("Entrypoint"))),
        environment=tuple(sorted(_pairs(room.texts(config.get("Env"))))),
        labels=tuple(sorted(room.pairs(config.get("Labels")))),
        created=_created(document.get("created")),
        size_bytes=size_bytes,
        layers=layers,
        history=tuple(room.texts(_steps(document.get("history")))),
    )


class _Room:
    """Takes text until there is no room left."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def text(self, value: Any) -> str:
        kept = value[: min(MOST_TEXT, self._left)] if isinstance(value, str) else ""
        self._left -= len(kept)
        return kept

    def texts(self, value: Any) -> Iterator[str]:
        for entry in _first(value if isinstance(value, list) else [value]):
            if isinstance(entry, str) and self._left > 0:
                yield self.text(entry)

    def pairs(self, value: Any) -> Iterator[tuple[str, str]]:
        for name, entry in _first(value.items() if isinstance(value, dict) else ()):
            if isinstance(entry, str) and self._left > 0:
                yield self.text(name), self.text(entry)


def _first(values: Any) -> Iterator[Any]:
    yield from (value for value, _ in zip(values, range(MOST_ENTRIES), strict=False))


def _pairs(variables: Iterator[str]) -> Iterator[tuple[str, str]]:
    for variable in variables:
        name, equals, value = variable.partition("=")
        if equals:
            yield name, value


def _ports(value: Any) -> Iterator[int]:
    for entry in _first(value if isinstance(value, dict) else ()):
        found = _PORT.fullmatch(entry)
        if found and 0 < int(found[1]) < 65536:
            yield int(found[1])


def _steps(value: Any) -> list[Any]:
    return [entry.get("created_by") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _created(value: Any) -> datetime | None:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None  # fractions have up to nine digits
    try:
        moment = datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")) if found else None
    except ValueError:
        return None
    return moment if moment is not None and moment > _NO_DATE_BEFORE else None
