"""A queue of keys: each at most once, one worker a key at a time, delays and back-off per key."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from datetime import timedelta
from typing import Generic, TypeVar

from spin.kit.backoff import backoff

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY = timedelta(milliseconds=500)
LAST_RETRY = timedelta(seconds=30)


class WorkQueue(Generic[Key]):
    """Keys that need a look.

    A key that is added while a worker holds it is handed out once more when that worker is done: no hint is lost, and no key is
    worked on twice at once. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._held: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, after: timedelta = timedelta(0)) -> None:
        """Hand out `key` after that time, or earlier if that was asked for already."""
        due = asyncio.get_running_loop().time() + after.total_seconds()
        self._due[key] = min(due, self._due.get(key, due))
        self._changed.set()

    async def take(self) -> Key:
        """The next key that is due and that nobody holds; waits for one. Give it back with `done` or `failed`."""
        while True:
            now = asyncio.get_running_loop().time()
            free = [(due, key) for key, due in self._due.items() if key not in self._held]
            first = min(free, key=lambda pair: pair[0], default=None)
            if first is not None and first[0] <= now:
                del self._due[first[1]]
                self._held.add(first[1])
                return first[1]
            self._changed.clear()
            try:
                async with asyncio.timeout(None if first is None else first[0] - now):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key, again: timedelta | None = None) -> None:
        """Give back `key`; look again after `again` if it is not None. Its failures are forgotten."""
        self._failures.pop(key, None)
        self._give_back(key, again)

    def failed(self, key: Key) -> timedelta:
        """Give back `key` to be tried again, each time later than the last. Returns when."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        again = backoff(failures, first=FIRST_RETRY, most=LAST_RETRY)
        self._give_back(key, again)
        return again

    def failures(self, key: Key) -> int:
        """How often in a row `key` has failed."""
        return self._failures.get(key, 0)

    def forgive(self) -> None:
        """Forget all failures and hand out every waiting key now: what was missing is back."""
        self._failures.clear()
        now = asyncio.get_running_loop().time()
        self._due = dict.fromkeys(self._due, now)
        self._changed.set()

    def _give_back(self, key: Key, again: timedelta | None) -> None:
        self._held.discard(key)
        if again is not None:
            self.add(key, again)
        self._changed.set()
