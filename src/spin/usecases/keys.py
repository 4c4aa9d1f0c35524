"""API keys: list, make, remove. A key's text is shown once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spin.access import Action
from spin.errors import InvalidInput, NotFound
from spin.model.principal import Principal
from spin.ports.store import ApiKey
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import allow_site
from spin.usecases.sign_in import key_hash, new_key

LONGEST_LIFE = 3650
"""Days."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is shown of a new key, once."""

    id: str
    name: str
    key: str = field(repr=False)
    expires: datetime | None


async def list_keys(platform: Platform, principal: Principal, user: str | None = None) -> tuple[ApiKey, ...]:
    """One's own keys, or as an operator those of `user`."""
    owner = _owner(principal, user)
    async with platform.store.begin() as work:
        return await work.keys(owner)


@audited("key create")
async def create_key(
    platform: Platform, principal: Principal, name: str, *, expires_days: int | None = None, user: str | None = None
) -> NewKey:
    """Make a key for oneself, or as an operator for `user`. Raises InvalidInput; NotFound for an unknown user."""
    owner = _owner(principal, user)
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise InvalidInput("Give the key a name of at most 100 printable characters that says where it is used.", key="name")
    if expires_days is not None and not 1 <= expires_days <= LONGEST_LIFE:
        raise InvalidInput(f"A key lives between 1 and {LONGEST_LIFE} days.", key="expires_days")
    now = platform.clock.now()
    expires = None if expires_days is None else now + timedelta(days=expires_days)
    identifier, text = new_key()
    async with platform.store.begin(write=True) as work:
        if await work.user(owner) is None:
            raise NotFound(f"There is no user {owner!r}.", user=owner)
        await work.add_key(ApiKey(identifier, owner, name.strip(), now, expires), key_hash(text))
        await accepted_change(work, principal, "key create", f"the API key {identifier} of {owner} ({name.strip()}) is made", now)
    return NewKey(identifier, name.strip(), text, expires)


@audited("key rm")
async def remove_key(platform: Platform, principal: Principal, id: str) -> None:
    """Remove one of one's own keys, or as an operator anybody's. Raises NotFound."""
    missing = NotFound(f"You have no API key {id!r}.", id=id)
    if not (id.isascii() and id.isalnum()):
        raise missing
    async with platform.store.begin(write=True) as work:
        found = await work.key(id)
        if found is None or (found[0].user != principal.user and not principal.operator):
            raise missing
        await work.remove_key(found[0].user, id)
        text = f"the API key {id} of {found[0].user} is revoked"
        await accepted_change(work, principal, "key rm", text, platform.clock.now())


def _owner(principal: Principal, user: str | None) -> str:
    if user is None or user == principal.user:
        return principal.user
    allow_site(principal, Action.USERS)
    if not user.isprintable():
        raise NotFound(f"There is no user {user!r}.", user=user)
    return user
