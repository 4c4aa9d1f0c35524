"""Who people and projects are on the site's filesystems. Only operators say: whoever chose their own would read what is others'."""

from __future__ import annotations

from spin.access import Action
from spin.errors import InvalidInput, NotFound
from spin.model.names import check_name
from spin.model.principal import Identity, Principal
from spin.ports.store import Account, User
from spin.site import Site
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, allow_site

MOST_ID = 2**31 - 1
"""Largest uid and gid: Docker Engine starts no container under a larger one."""
MOST_GROUPS = 256
"""Most further groups of one identity: NFS carries 16, and this leaves room."""


@audited("user set")
async def set_identity(platform: Platform, principal: Principal, user: str, identity: Identity | None) -> User:
    """Give `user` that identity; None takes it away. What runs goes on, and is judged by the new one at its next change.

    Raises InvalidInput for numbers that will not do, NotFound for an unknown user, Conflict for a uid that is somebody else's.
    """
    allow_site(principal, Action.USERS)
    if identity is not None:
        identity = checked(platform.site, identity)
    async with platform.store.begin(write=True) as work:
        found = await work.user(user) if user.isprintable() else None
        if found is None:
            raise NotFound(f"There is no user {user!r}.", user=user)
        await work.set_identity(user, identity)
        text = f"{user} has {'no identity' if identity is None else f'uid {identity.uid}, gid {identity.gid}'} on the filesystems"
        await accepted_change(work, principal, "user set", text, platform.clock.now())
    return User(found.name, found.operator, found.created, identity)


async def list_accounts(platform: Platform, principal: Principal, project: str) -> tuple[Account, ...]:
    """The project's collaboration accounts, by name."""
    async with platform.store.begin() as work:
        return await work.accounts(await allow(work, principal, Action.READ, project))


@audited("project account set")
async def set_account(platform: Platform, principal: Principal, project: str, name: str, identity: Identity) -> Account:
    """Make a collaboration account, or change its numbers. Raises InvalidInput, and Conflict for a uid that is somebody else's."""
    async with platform.store.begin(write=True) as work:
        owner = await allow(work, principal, Action.ACCOUNTS, project)
        account = Account(check_name("collaboration account", name), checked(platform.site, identity))
        await work.set_account(owner, account)
        text = f"the account {account.name} has uid {account.identity.uid}, gid {account.identity.gid}"
        await accepted_change(work, principal, "project account set", text, platform.clock.now(), project=owner)
    return account


@audited("project account rm")
async def remove_account(platform: Platform, principal: Principal, project: str, name: str) -> None:
    """Raises NotFound when the project has no such account."""
    async with platform.store.begin(write=True) as work:
        owner = await allow(work, principal, Action.ACCOUNTS, project)
        if not name.isprintable() or not await work.remove_account(owner, name):
            raise NotFound(f"Project {owner!r} has no account {name!r}.", project=owner, account=name)
        text = f"the account {name} is removed"
        await accepted_change(work, principal, "project account rm", text, platform.clock.now(), project=owner)


def checked(site: Site, identity: Identity) -> Identity:
    """The identity in order: groups sorted, each once. Raises InvalidInput."""
    if not max(1, site.least_uid) <= identity.uid <= MOST_ID:
        raise InvalidInput(
            f"A uid is a number from {site.least_uid} (`least_uid` in the site file: below are the system's own) to {MOST_ID}, not "
            f"{identity.uid}.",
            key="uid",
        )
    for gid in (identity.gid, *identity.gids):
        least = max(1, site.least_gid)
        if not least <= gid <= MOST_ID:
            raise InvalidInput(
                f"A gid is a number from {least} (`least_gid` in the site file: below are those of images) to {MOST_ID}, not {gid}.",
                key="gid",
            )
    further = tuple(sorted({*identity.gids} - {identity.gid}))
    if len(further) > MOST_GROUPS:
        raise InvalidInput(f"An identity has at most {MOST_GROUPS} further groups, not {len(further)}.", key="gids")
    return Identity(identity.uid, identity.gid, further)
