"""Who users and projects are on the site's filesystems."""

from __future__ import annotations

import pytest

from spin.errors import Conflict, NotFound
from spin.model.principal import Identity, Role
from spin.ports.store import Account, Member, User
from spin.store import SqlStore
from support.stored import NOW, people_and_projects

ANN = Identity(46311, 75137, (80001, 80002))
LARGEST = Identity(2**31 - 1, 2**31 - 1)


@pytest.fixture(autouse=True)
async def _people(store: SqlStore) -> None:
    await people_and_projects(store)


async def test_an_identity_is_given_changed_and_taken(store: SqlStore) -> None:
    for identity in (ANN, LARGEST, Identity(46311, 1), None, None):
        async with store.begin(write=True) as unit:
            await unit.set_identity("ann", identity)
        async with store.begin() as unit:
            assert await unit.user("ann") == User("ann", operator=False, created=NOW, identity=identity)
            principal = await unit.principal("ann")
        assert principal is not None
        assert principal.identity == identity


async def test_a_user_may_come_with_an_identity(store: SqlStore) -> None:
    zoe = User("zoe", operator=False, created=NOW, identity=ANN)
    async with store.begin(write=True) as unit:
        await unit.add_user(zoe, None)
    async with store.begin() as unit:
        assert zoe in await unit.users()


async def test_nobody_gets_no_identity(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        with pytest.raises(NotFound):
            await unit.set_identity("nobody", ANN)


async def test_accounts_are_made_changed_and_removed_each_in_its_project(store: SqlStore) -> None:
    first, other = Account("gateway", Identity(70001, 75137)), Account("archive", Identity(70002, 75137, (1,)))
    async with store.begin(write=True) as unit:
        await unit.set_account("physics", first)
        await unit.set_account("physics", other)
        await unit.set_account("biology", Account("gateway", Identity(70003, 75138)))
        await unit.set_account("physics", Account("gateway", Identity(70004, 75137)))
    async with store.begin() as unit:
        assert await unit.accounts("physics") == (other, Account("gateway", Identity(70004, 75137)))
        assert await unit.accounts("biology") == (Account("gateway", Identity(70003, 75138)),)
        assert await unit.accounts("chemistry") == ()
    async with store.begin(write=True) as unit:
        assert await unit.remove_account("physics", "gateway")
        assert not await unit.remove_account("physics", "gateway")
    async with store.begin() as unit:
        assert await unit.accounts("physics") == (other,)
        assert len(await unit.accounts("biology")) == 1


async def test_an_account_needs_a_project(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        with pytest.raises(NotFound):
            await unit.set_account("chemistry", Account("gateway", ANN))


async def test_a_uid_is_one_users_or_one_accounts(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.set_identity("ann", ANN)
        await unit.set_account("physics", Account("gateway", Identity(70001, 75137)))
        await unit.set_identity("ann", ANN)  # one's own is no conflict
        await unit.set_account("physics", Account("gateway", Identity(70001, 75138)))
        with pytest.raises(Conflict, match="user 'ann'"):
            await unit.set_identity("bob", ANN)
        with pytest.raises(Conflict, match="'gateway' of project 'physics'"):
            await unit.set_identity("bob", Identity(70001, 75137))
        with pytest.raises(Conflict, match="user 'ann'"):
            await unit.set_account("biology", Account("gateway", ANN))
        with pytest.raises(Conflict, match="'gateway' of project 'physics'"):
            await unit.set_account("biology", Account("gateway", Identity(70001, 75137)))
    async with store.begin(write=True) as unit:
        await unit.set_identity("ann", None)
        await unit.set_account("biology", Account("gateway", ANN))  # what was given up may be another's


async def test_the_members_with_an_identity_are_told_with_their_roles(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.set_identity("ann", ANN)
        await unit.set_member("physics", "ann", Role.OWNER)
        await unit.set_member("physics", "bob", Role.DEVELOPER)
    async with store.begin() as unit:
        assert await unit.identities("physics") == ((Member("ann", Role.OWNER), ANN),)
        assert await unit.identities("biology") == ()
