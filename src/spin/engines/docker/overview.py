"""One look at everything of a site: what the engine's lists say of each deployment, as a text to compare. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spin.engines.docker import labels
from spin.engines.docker.labels import Kind
from spin.model.names import DeploymentKey

_DURATION = re.compile(
    r"(?:less than )?(?:an?|about an?|about a|\d+) (?:second|minute|hour|day|week|month|year)s?(?: ago)?", re.IGNORECASE
)

Listed = Mapping[str, Any]


@dataclass(slots=True)
class Marks:
    """What the lists say of one deployment."""

    held: bool = False
    """It has more than volumes that are to be kept."""
    things: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def text(self, verdict: Callable[[str], str]) -> str:
        """`verdict`: what probes have found out about a container."""
        probed = [f"probe {container} {verdict(container)}" for container in sorted(self.running)]
        return hashlib.sha256("\n".join((*sorted(self.things), *probed)).encode()).hexdigest()[:16]


def group(containers: Iterable[Listed], networks: Iterable[Listed], volumes: Iterable[Listed]) -> dict[DeploymentKey, Marks]:
    """By deployment; volumes that outlive their stack make none."""
    found: dict[DeploymentKey, Marks] = {}
    for thing, text, held in (
        *((c, _container(c), True) for c in containers),
        *((n, f"network {n['Id']} {n['Name']}", True) for n in networks),
        *((v, f"volume {v['Name']}", v["Labels"].get(labels.KIND) != Kind.VOLUME.value) for v in volumes),
    ):
        key = labels.key_of(thing["Labels"])
        if key is not None:
            marks = found.setdefault(key, Marks())
            marks.held |= held
            marks.things.append(text)
            if thing.get("State") == "running":
                marks.running.append(thing["Id"])
    return {key: marks for key, marks in found.items() if marks.held}


def status_words(status: str) -> str:
    """The engine's words for people ("Up 3 minutes (healthy)") without the times in them."""
    return " ".join(_DURATION.sub("", status).split())


def _container(listed: Listed) -> str:
    joined = ((listed.get("NetworkSettings") or {}).get("Networks") or {}).items()
    places = sorted(f"{name}={joint['NetworkID']}={joint['IPAddress']}" for name, joint in joined)
    names = sorted(listed["Names"] or ())
    return f"container {listed['Id']} {names} {listed['State']} {status_words(listed['Status'])} {places}"
