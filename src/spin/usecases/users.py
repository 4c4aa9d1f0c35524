"""Users: list them, make one."""

from __future__ import annotations

import asyncio

from spin.access import Action
from spin.errors import InvalidInput
from spin.model.names import check_name
from spin.model.principal import Principal
from spin.ports.store import User
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import allow_site
from spin.usecases.sign_in import LONGEST_PASSWORD, looks_like_key

SHORTEST_PASSWORD = 8
"""Characters (NIST SP 800-63B, 5.1.1.1)."""


async def list_users(platform: Platform, principal: Principal) -> tuple[User, ...]:
    """Every user of the site, by name. Operators only."""
    allow_site(principal, Action.USERS)
    async with platform.store.begin() as work:
        return await work.users()


@audited("user create")
async def create_user(
    platform: Platform, principal: Principal, name: str, *, password: str | None = None, operator: bool = False
) -> User:
    """Make a user; without a password they sign in with API keys that an operator makes for them.

    Raises InvalidInput for a name or password that will not do, Conflict when the name is taken.
    """
    allow_site(principal, Action.USERS)
    check_name("user", name)
    if password is not None:
        check_password(password)
    hashed = None if password is None else await asyncio.to_thread(platform.passwords.hash, password)
    user = User(name, operator, platform.clock.now())
    async with platform.store.begin(write=True) as work:
        await work.add_user(user, hashed)
        text = f"the user {name} is made" + (", an operator" if operator else "")
        await accepted_change(work, principal, "user create", text, user.created)
    return user


def check_password(password: str) -> str:
    """`password`, if it will do. Raises InvalidInput."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.", key="password")
    if looks_like_key(password):
        raise InvalidInput("A password must not look like an API key.", key="password")
    return password
