"""Sealing of secret values: AES-256-GCM with the store's key.

A sealed value is one byte of format, twelve random bytes of nonce (NIST SP 800-38D, 8.2.2: good for 2^32 values under one key),
ciphertext and tag. What a value belongs to is authenticated with it, so that a row copied to another place does not open there.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spin.errors import Failed
from spin.kit.canonical import canonical_json

KEY_BYTES = 32
_FORMAT = b"\x01"
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens values with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Failed(f"The store's key has {len(key)} bytes; it must have {KEY_BYTES}.")
        self._cipher = AESGCM(key)

    def seal(self, value: bytes, *place: str | int) -> bytes:
        """`value`, readable again only by `open` with the same `place`."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, value, _bound(place))

    def open(self, sealed: bytes, *place: str | int) -> bytes:
        """Raises Failed where `sealed` was not sealed with this key for this `place`, or has been changed."""
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            raise Failed("A sealed value in the store has a form that this version of Spin does not know.")
        try:
            return self._cipher.decrypt(nonce, rest, _bound(place))
        except InvalidTag:
            raise Failed(
                "A sealed value in the store cannot be opened: it was damaged, moved, or sealed with another key."
            ) from None


def _bound(place: tuple[str | int, ...]) -> bytes:
    return canonical_json(("spin", *place)).encode()
