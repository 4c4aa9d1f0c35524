"""What is remembered of sign-ins with passwords: who has just proved one, and who guesses.

A password hash is slow on purpose (argon2id: tens of milliseconds and 64 MiB), so it must neither run for each request of a person
nor be at the beck of someone who guesses. All of this is memory of one process, bounded, and may be lost at any time.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spin.kit.backoff import backoff

REMEMBERED = 1024
"""Proven passwords and guessing records that are kept, each."""
PROVEN_FOR = timedelta(minutes=5)
"""How long a proven password needs no new proof."""
FREE_FAILURES = 5
"""Wrong passwords in a row before a pause is asked for."""
LONGEST_PAUSE = timedelta(minutes=5)
FORGIVEN_AFTER = timedelta(hours=1)
"""Without a further failure, a record of failures is dropped after this time."""
MOST_REFUSALS = 60
"""Refusals of one person that are written into the journal within a minute: who is refused without end does not fill the store."""
AT_ONCE = 2
"""Hashes that are computed at the same time: each takes a core and 64 MiB."""


@dataclass(slots=True)
class Attempts:
    """Failed attempts on one name. `lock` is held while a password is tried, so that guesses come one after the other."""

    failures: int = 0
    last: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Guard:
    """The memory. Keeps no password: proofs are kept as an HMAC under a key that dies with the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._proven: OrderedDict[bytes, datetime] = OrderedDict()
        self._attempts: OrderedDict[str, Attempts] = OrderedDict()
        self._refusals: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self.room = asyncio.Semaphore(AT_ONCE)
        self.decoy: str | None = None
        """A hash that no password has, verified for unknown names, so that they take as long as known ones."""

    def fingerprint(self, user: str, password: str, hashed: str) -> bytes:
        """Stands for "this password was right for this user while this was the stored hash"."""
        text = "\0".join((user, hashed, password))
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), "sha256")

    def proven(self, fingerprint: bytes, now: datetime) -> bool:
        until = self._proven.get(fingerprint)
        if until is None or until <= now:
            self._proven.pop(fingerprint, None)
            return False
        return True

    def prove(self, user: str, fingerprint: bytes, now: datetime) -> None:
        """The password was right: remember it, and forget the failures on that name."""
        self._proven[fingerprint] = now + PROVEN_FOR
        self._proven.move_to_end(fingerprint)
        while len(self._proven) > REMEMBERED:
            self._proven.popitem(last=False)
        attempts = self._attempts.get(user)
        if attempts is not None:
            attempts.failures, attempts.last = 0, None

    def attempts(self, user: str) -> Attempts:
        """The record for a name, made if there is none."""
        found = self._attempts.get(user)
        if found is None:
            found = self._attempts[user] = Attempts()
            idle = [name for name, record in self._attempts.items() if record is not found and not record.lock.locked()]
            for name in idle[: max(0, len(self._attempts) - REMEMBERED)]:
                del self._attempts[name]
        self._attempts.move_to_end(user)
        return found

    def fail(self, attempts: Attempts, now: datetime) -> None:
        """Another wrong password."""
        attempts.failures += 1
        attempts.last = now

    def pause(self, attempts: Attempts, now: datetime) -> timedelta:
        """How long the next attempt has to wait; zero when it need not."""
        if attempts.last is None:
            return timedelta(0)
        if now - attempts.last > FORGIVEN_AFTER:
            attempts.failures, attempts.last = 0, None
            return timedelta(0)
        wait = backoff(attempts.failures - FREE_FAILURES + 1, most=LONGEST_PAUSE)
        return max(timedelta(0), attempts.last + wait - now)

    def may_note_refusal(self, user: str, now: datetime) -> bool:
        """Whether another refusal of this person is to be written down."""
        since, count = self._refusals.pop(user, (now, 0))
        if now - since >= timedelta(minutes=1):
            since, count = now, 0
        self._refusals[user] = (since, count + 1)
        while len(self._refusals) > REMEMBERED:
            self._refusals.popitem(last=False)
        return count < MOST_REFUSALS
