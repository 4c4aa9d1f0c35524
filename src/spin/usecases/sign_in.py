"""Sign in: a name and a password, or an API key, become a Principal."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import re
import secrets
from datetime import timedelta

from spin.errors import NotSignedIn
from spin.model.principal import Principal
from spin.usecases.platform import Platform

LONGEST_PASSWORD = 1024
"""Characters; more is not hashed at all."""
TOUCH_EVERY = timedelta(minutes=5)
"""How exact "last used" of a key is: a request must not cost a write."""

# `spin_<id>_<secret>`: the secret is 256 random bits, so a plain SHA-256 of it is as good as a slow hash.
_KEY = re.compile(r"spin_([0-9a-f]{12})_[0-9a-f]{64}", re.ASCII)
_NO_HASH = "0" * 64
_WRONG = "The user name or the password is wrong. With an API key, sign in by `spin login`."


def new_key() -> tuple[str, str]:
    """A new API key: its identifier, and its text, which is shown once and never stored."""
    identifier = secrets.token_hex(6)
    return identifier, f"spin_{identifier}_{secrets.token_hex(32)}"


def key_hash(text: str) -> str:
    """What is stored of an API key."""
    return hashlib.sha256(text.encode()).hexdigest()


def looks_like_key(secret: str) -> bool:
    return _KEY.fullmatch(secret) is not None


async def authenticate(platform: Platform, user: str | None, secret: str) -> Principal:
    """Who it is. `secret` is an API key (then `user`, where given, must be its owner) or the password of `user`.

    Raises NotSignedIn; field `retry_after` (seconds) after too many wrong passwords for that name.
    """
    match = _KEY.fullmatch(secret)
    if match is not None:
        return await _by_key(platform, user, match[1], secret)
    if user is None:
        raise NotSignedIn("This is not an API key (spin_…). Sign in with `spin login`.")
    return await _by_password(platform, user, secret)


async def _by_key(platform: Platform, user: str | None, identifier: str, text: str) -> Principal:
    now = platform.clock.now()
    async with platform.store.begin() as work:
        found = await work.key_holder(identifier)
    good = hmac.compare_digest(key_hash(text), _NO_HASH if found is None else found[1])
    if found is None or not good or (user is not None and user != found[2].user):
        raise NotSignedIn(
            "This API key is not valid, or not any more. Make a new one with `spin key create`, or ask the operators."
        )
    key, _, principal = found
    if key.expires is not None and key.expires <= now:
        raise NotSignedIn(f"This API key ({key.name}) ended on {key.expires:%Y-%m-%d}. Make a new one with `spin key create`.")
    if key.last_used is None or now - key.last_used >= TOUCH_EVERY:
        async with platform.store.begin(write=True) as work:
            await work.touch_key(identifier, now)
    return principal


async def _by_password(platform: Platform, user: str, password: str) -> Principal:
    if len(password) > LONGEST_PASSWORD or not user.isprintable():
        raise NotSignedIn(_WRONG)
    async with platform.store.begin() as work:
        hashed = await work.password_hash(user)
        principal = await work.principal(user)
    guard = platform.guard
    fingerprint = guard.fingerprint(user, password, hashed or "")
    if principal is not None and guard.proven(fingerprint, platform.clock.now()):
        return principal
    attempts = guard.attempts(user)
    async with attempts.lock:
        now = platform.clock.now()
        if principal is not None and guard.proven(fingerprint, now):
            return principal
        pause = guard.pause(attempts, now)
        if pause:
            seconds = math.ceil(pause.total_seconds())
            raise NotSignedIn(f"Too many wrong passwords for this name. Try again in {seconds} s.", retry_after=seconds)
        if not await _verify(platform, password, hashed) or principal is None:
            guard.fail(attempts, platform.clock.now())
            raise NotSignedIn(_WRONG)
        guard.prove(user, fingerprint, now)
        return principal


async def _verify(platform: Platform, password: str, hashed: str | None) -> bool:
    """Whether the password has that hash; takes as long where there is none."""
    guard = platform.guard
    async with guard.room:
        if guard.decoy is None:
            guard.decoy = await asyncio.to_thread(platform.passwords.hash, secrets.token_hex(16))
        good = await asyncio.to_thread(platform.passwords.verify, password, hashed or guard.decoy)
    return good and hashed is not None
