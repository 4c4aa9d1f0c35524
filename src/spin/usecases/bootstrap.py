"""The first start: an operator who can sign in."""

from __future__ import annotations

from collections.abc import Callable

from spin.model.names import check_name
from spin.model.principal import Role
from spin.ports.store import ApiKey, User
from spin.usecases.platform import Platform
from spin.usecases.sign_in import key_hash, new_key


async def ensure_operator(platform: Platform, name: str, keep: Callable[[str], None]) -> bool:
    """On an empty store: make operator `name`, a project of the same name that is theirs, and an API key. Whether it did.

    `keep` gets the key's text, before the store has it: killed in between, the next start does both again, and no key is lost.
    Raises InvalidInput when `name` cannot be a user's name.
    """
    check_name("user", name)
    now = platform.clock.now()
    identifier, text = new_key()
    async with platform.store.begin(write=True) as work:
        if await work.users():
            return False
        await work.add_user(User(name, operator=True, created=now), None)
        await work.add_project(name, now)
        await work.set_member(name, name, Role.OWNER)
        await work.add_key(ApiKey(identifier, name, "first start", now), key_hash(text))
        keep(text)
    return True
