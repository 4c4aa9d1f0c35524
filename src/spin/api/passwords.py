"""Argon2id for passwords."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Argon2Passwords:
    """Implements `spin.ports.passwords.Passwords`. Both methods take tens of milliseconds: call them in a thread.

    The cost is the library's default: RFC 9106's low-memory profile (64 MiB, 3 passes, 4 lanes). Hashes carry their own parameters.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, password: str, hashed: str) -> bool:
        """False also for a hash that is none."""
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False
