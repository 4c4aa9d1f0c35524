"""What Spin asks of password hashing and token signing."""

from __future__ import annotations

from typing import Protocol


class Passwords(Protocol):
    """Slow hashes for what people choose."""

    def hash(self, password: str) -> str: ...
    def verify(self, password: str, hashed: str) -> bool: ...


class Signer(Protocol):
    """Signs registry tokens (Distribution's token authentication specification)."""

    def sign(self, subject: str, access: list[dict[str, object]]) -> str:
        """A signed JWT that grants `access` for a few minutes."""
        ...
