"""Telling those who wait that a deployment's view has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from spin.model.names import DeploymentKey


class Notifier:
    """Wakes the requests that wait for news of a deployment.

    A poke is only a hint: it may be missing (another process saved the status), so those who wait also look by themselves now and
    then. Lives in one event loop; `poke` and `close` are called from it.
    """

    def __init__(self) -> None:
        self._waiting: dict[DeploymentKey | None, set[asyncio.Event]] = {}
        self.closed = False

    def poke(self, key: DeploymentKey) -> None:
        """Something about `key` has changed in the store."""
        for event in (*self._waiting.get(key, ()), *self._waiting.get(None, ())):
            event.set()

    def close(self) -> None:
        """The platform is going down: let all who wait answer with what they have, now and from now on."""
        self.closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextmanager
    def listen(self, key: DeploymentKey | None) -> Iterator[asyncio.Event]:
        """An event that is set at each poke of `key`, or with None of any key, within the block.

        Clear it before reading the store, so that none is lost.
        """
        event = asyncio.Event()
        self._waiting.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            listeners = self._waiting[key]
            listeners.discard(event)
            if not listeners:
                del self._waiting[key]
