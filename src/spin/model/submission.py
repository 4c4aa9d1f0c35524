"""What the CLI sends: a Compose document with everything that needed the user's files already done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spin.model.finding import Finding

_POSITION = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,250}:[0-9]{1,7}", re.ASCII)


def locate(positions: Mapping[str, str], path: str) -> str | None:
    """The position of `path`, or of the nearest thing above it that has one.

    Positions come from clients; what does not look like `file:line` is not shown to anyone.
    """
    path = path[:1000]
    while path:
        found = positions.get(path)
        if isinstance(found, str) and _POSITION.fullmatch(found):
            return found
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return None


@dataclass(frozen=True, slots=True)
class Submission:
    """A resolved Compose document: merged, interpolated, `env_file` folded in. The server opens no path that it names.

    `document` is JSON-able and treated as untrusted by the server.
    """

    document: Mapping[str, Any]
    configs: Mapping[str, bytes] = field(default_factory=dict)
    """Contents of `configs` that came from `file`, `content` or `environment`, by Compose name."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents of `secrets` that came from `file` or `environment`, by Compose name. Never logged, never in a revision."""
    positions: Mapping[str, str] = field(default_factory=dict)
    """`file:line:column` of keys of the document, by dotted path (`services.web.image`), for messages. The column may be missing."""
    notices: tuple[Finding, ...] = ()
    """What the client noticed while resolving (a variable that is not set, …)."""


@dataclass(frozen=True, slots=True)
class Build:
    """How `spin build` makes a service's image on the workstation. Never sent to the server."""

    service: str
    image: str
    """Reference to tag it with, of the site's registry."""
    context: str
    dockerfile: str | None = None
    dockerfile_inline: str | None = None
    args: tuple[tuple[str, str | None], ...] = ()
    """None as a value takes the variable from the user's environment."""
    target: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    no_cache: bool = False
    pull: bool = False
