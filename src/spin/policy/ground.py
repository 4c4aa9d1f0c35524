"""What rules are told beside the stack and the site: where it is to run, who asks, and what the engine's host says of paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spin.model.paths import PathFacts
from spin.model.principal import Identity


@dataclass(frozen=True, slots=True)
class Runner:
    """Somebody as whom containers may run where they mount one of the site's filesystems."""

    name: str
    """For people: `your own account`, `account gateway`."""
    identity: Identity

    @property
    def user(self) -> str:
        """As `user:` is written in a Compose file."""
        return f"{self.identity.uid}:{self.identity.gid}"


@dataclass(frozen=True, slots=True)
class Ground:
    """Facts about this one change, gathered before the rules look at it. What is not known is not judged."""

    platform: bool = True
    """A platform is asked. Without one (`spin check` alone) nobody knows the site's filesystems."""
    environment: str | None = None
    runners: tuple[Runner, ...] | None = None
    """None: not known."""
    paths: Mapping[str, PathFacts] = field(default_factory=dict)
    """By the path as asked: those that the stack mounts, and those of the site's filesystems."""


NOTHING_KNOWN = Ground()
