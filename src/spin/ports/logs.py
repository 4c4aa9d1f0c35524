"""Where the logs of containers that have been removed are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from spin.model.log import Line, LogSource, Span
from spin.model.names import DeploymentKey, InstanceId


class LogArchive(Protocol):
    """Bounded by size and age. Every method raises Failed where the archive cannot be read or written."""

    async def save(self, key: DeploymentKey, source: LogSource, lines: AsyncIterator[Sequence[Line]]) -> None:
        """Keep the whole log of a container, in place of what was kept of it. All of it or nothing."""
        ...

    async def sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        """The containers of which a log is kept, by time of creation."""
        ...

    def read(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        """Nothing where none is kept. `span.follow` means nothing here."""
        ...

    async def prune(self, now: datetime) -> int:
        """Let go of what is too old or too much; returns how many containers' logs went."""
        ...
