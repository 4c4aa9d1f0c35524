"""A queue of keys: each at most once, one worker a key at a time, delays and back-off per key."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Hashable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Generic, TypeVar

from spin.kit.backoff import backoff

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY = timedelta(milliseconds=500)
LAST_RETRY = timedelta(seconds=30)
HEAD_START = timedelta(seconds=5)
"""What is wanted at once goes before what was due up to so much earlier: a round over everything holds up nobody. No more than
that, so that many who are always in a hurry do not keep the others waiting for ever."""


class WorkQueue(Generic[Key]):
    """Keys that need a look. Adding and taking cost the same (to a logarithm) however many keys wait.

    A key that is added while a worker holds it is handed out once more when that worker is done: no hint is lost, and no key is
    worked on twice at once. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._order: list[tuple[float, int, Key]] = []
        """A heap of what `_due` says of keys that nobody holds. An entry that `_due` says otherwise of is out of date."""
        self._count = 0
        self._held: set[Key] = set()
        self._turns: dict[Key, tuple[float, float]] = {}
        """When a key was due that has been taken, and when it was taken; until it need not be looked at again at once."""
        self._failures: dict[Key, int] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    @property
    def is_busy(self) -> bool:
        """A key is held, or due."""
        return bool(self._held) or self._first() <= asyncio.get_running_loop().time()

    def add(self, key: Key, after: timedelta = timedelta(0), *, patient: bool = False) -> None:
        """Hand out `key` after that time, or earlier if that was asked for already. `patient`: others that are due may go first."""
        due = asyncio.get_running_loop().time() + after.total_seconds()
        if not after and not patient:
            due -= HEAD_START.total_seconds()
        self._enter(key, due)

    def _enter(self, key: Key, due: float) -> None:
        if due < self._due.get(key, math.inf):
            self._due[key] = due
            self._put(key)
            self._call()

    async def take(self) -> Key:
        """The next key that is due and that nobody holds; waits for one. Give it back with `done` or `failed`."""
        while True:
            if self._first() <= asyncio.get_running_loop().time():
                due, _, key = heapq.heappop(self._order)
                del self._due[key]
                self._held.add(key)
                self._turns.setdefault(key, (due, asyncio.get_running_loop().time()))
                self._call()
                return key
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            self._call()
            try:
                await waiting
            except asyncio.CancelledError:
                with suppress(ValueError):
                    self._waiting.remove(waiting)
                self._call()  # somebody else shall hear of what this one was called for
                raise

    def done(self, key: Key, again: timedelta | None = None) -> None:
        """Give back `key`; look again after `again` if it is not None. Its failures are forgotten.

        One that is to be looked at again at once keeps its place, for as long as HEAD_START: of a thousand that were due together the
        first is brought to an end before the last begins, instead of all of them coming to theirs as late as the last.
        """
        self._failures.pop(key, None)
        place, taken = self._turns.get(key, (math.inf, 0.0))
        if again != timedelta(0):
            self._turns.pop(key, None)
        self._give_back(key, again)
        if again == timedelta(0) and asyncio.get_running_loop().time() < taken + HEAD_START.total_seconds():
            self._enter(key, place)

    def failed(self, key: Key) -> timedelta:
        """Give back `key` to be tried again, each time later than the last. Returns when."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._turns.pop(key, None)
        again = backoff(failures, first=FIRST_RETRY, most=LAST_RETRY)
        self._give_back(key, again)
        return again

    def failures(self, key: Key) -> int:
        """How often in a row `key` has failed."""
        return self._failures.get(key, 0)

    def forgive(self, keys: Iterable[Key]) -> None:
        """Hand out these keys now, also those that wait after a failure; their failures are forgotten: what was missing is back."""
        for key in keys:
            self._failures.pop(key, None)
            self.add(key, patient=True)

    def _give_back(self, key: Key, again: timedelta | None) -> None:
        self._held.discard(key)
        if key in self._due:
            self._put(key)
        if again is not None:
            self.add(key, again)
        self._call()

    def _put(self, key: Key) -> None:
        """Enter what `_due` says of `key`; a key that is held is entered when it is given back."""
        if key in self._held:
            return
        if len(self._order) > 2 * len(self._due) + 100:  # mostly out of date: dates far ahead that were overtaken
            self._order = [entry for entry in self._order if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._order)
        self._count += 1
        heapq.heappush(self._order, (self._due[key], self._count, key))

    def _first(self) -> float:
        """When the first free key is due; drops what is out of date on the way."""
        while self._order:
            due, _, key = self._order[0]
            if self._due.get(key) == due and key not in self._held:
                return due
            heapq.heappop(self._order)
        return math.inf

    def _call(self) -> None:
        """Call one waiting worker when the first key is due; when that one has taken it, it calls the next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._waiting and self._waiting[0].done():  # cancelled, and not yet told
            self._waiting.popleft()
        first = self._first()
        if not self._waiting or first == math.inf:
            return
        loop = asyncio.get_running_loop()
        if first <= loop.time():
            self._waiting.popleft().set_result(None)
        else:
            self._alarm = loop.call_at(first, self._call)
