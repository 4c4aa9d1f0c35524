"""Users, API keys, projects and memberships."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from spin.errors import Conflict, NotFound
from spin.model.principal import Principal, Role
from spin.ports.store import ApiKey, Member, User
from spin.store import SqlStore
from support.stored import NOW, people_and_projects


@pytest.fixture(autouse=True)
async def _people(store: SqlStore) -> None:
    await people_and_projects(store)


async def test_a_user_is_found_by_name_with_the_hash_of_the_password(store: SqlStore) -> None:
    zoe = User("zoe", operator=True, created=NOW)
    async with store.begin(write=True) as unit:
        await unit.add_user(zoe, "$argon2id$…")
    async with store.begin() as unit:
        assert await unit.user("zoe") == zoe
        assert await unit.password_hash("zoe") == "$argon2id$…"
        assert await unit.password_hash("ann") is None
        assert [u.name for u in await unit.users()] == ["ann", "bob", "zoe"]


async def test_nobody_is_no_user(store: SqlStore) -> None:
    async with store.begin() as unit:
        assert await unit.user("nobody") is None
        assert await unit.password_hash("nobody") is None
        assert await unit.principal("nobody") is None


async def test_a_users_name_can_be_taken_once(store: SqlStore) -> None:
    with pytest.raises(Conflict, match="'ann' already"):
        async with store.begin(write=True) as unit:
            await unit.add_user(User("ann", operator=True, created=NOW), "hash")
    async with store.begin() as unit:
        assert await unit.user("ann") == User("ann", operator=False, created=NOW)


async def test_after_a_conflict_the_transaction_can_go_on(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        with pytest.raises(Conflict):
            await unit.add_project("physics", NOW)
        await unit.add_project("chemistry", NOW)
    async with store.begin() as unit:
        assert await unit.projects() == ("biology", "chemistry", "physics")
        assert await unit.has_project("chemistry")
        assert not await unit.has_project("chem")


async def test_an_api_key_is_found_with_the_hash_of_its_secret(store: SqlStore) -> None:
    key = ApiKey("k1", "ann", "laptop", NOW, expires=NOW + timedelta(days=90))
    async with store.begin(write=True) as unit:
        await unit.add_key(key, "sha256:…")
    async with store.begin() as unit:
        assert await unit.key("k1") == (key, "sha256:…")
        assert await unit.key("k2") is None


async def test_keys_are_listed_for_their_owner_only_oldest_first(store: SqlStore) -> None:
    first = ApiKey("z", "ann", "laptop", NOW)
    second = ApiKey("a", "ann", "ci", NOW + timedelta(seconds=1))
    async with store.begin(write=True) as unit:
        for key in (second, first, ApiKey("b", "bob", "ci", NOW)):
            await unit.add_key(key, "hash")
    async with store.begin() as unit:
        assert await unit.keys("ann") == (first, second)
        assert await unit.keys("nobody") == ()


async def test_a_key_remembers_when_it_was_used_last(store: SqlStore) -> None:
    key = ApiKey("k1", "ann", "laptop", NOW)
    async with store.begin(write=True) as unit:
        await unit.add_key(key, "hash")
        await unit.touch_key("k1", NOW + timedelta(hours=1))
        await unit.touch_key("gone", NOW)
    async with store.begin() as unit:
        assert await unit.keys("ann") == (replace(key, last_used=NOW + timedelta(hours=1)),)


async def test_a_key_is_removed_by_its_owner_only(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.add_key(ApiKey("k1", "ann", "laptop", NOW), "hash")
    async with store.begin(write=True) as unit:
        assert not await unit.remove_key("bob", "k1")
        assert await unit.key("k1") is not None
        assert await unit.remove_key("ann", "k1")
        assert not await unit.remove_key("ann", "k1")


async def test_a_key_of_nobody_is_refused(store: SqlStore) -> None:
    with pytest.raises(Conflict):
        async with store.begin(write=True) as unit:
            await unit.add_key(ApiKey("k1", "nobody", "laptop", NOW), "hash")


async def test_a_principal_carries_the_memberships_in_force(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.set_member("physics", "ann", Role.OWNER)
        await unit.set_member("biology", "ann", Role.VIEWER)
        await unit.set_member("physics", "bob", Role.DEVELOPER)
    async with store.begin() as unit:
        ann = await unit.principal("ann", "k1")
    assert ann == Principal("ann", memberships=(("biology", Role.VIEWER), ("physics", Role.OWNER)), key="k1")
    assert ann.role_in("chemistry") is None


async def test_a_key_signs_its_owner_in_with_the_memberships_in_force(store: SqlStore) -> None:
    key = ApiKey("k1", "ann", "laptop", NOW)
    async with store.begin(write=True) as unit:
        await unit.add_key(key, "hash")
    async with store.begin() as unit:
        assert await unit.key_holder("k1") == (key, "hash", Principal("ann", key="k1"))
    async with store.begin(write=True) as unit:
        await unit.set_member("physics", "ann", Role.OWNER)
        await unit.set_member("biology", "ann", Role.VIEWER)
        await unit.set_member("physics", "bob", Role.DEVELOPER)
    async with store.begin() as unit:
        ann = await unit.principal("ann", "k1")
        assert await unit.key_holder("k1") == (key, "hash", ann)
        assert await unit.key_holder("k2") is None
    async with store.begin(write=True) as unit:
        await unit.remove_key("ann", "k1")
    async with store.begin() as unit:
        assert await unit.key_holder("k1") is None


async def test_a_user_without_memberships_is_a_principal_too(store: SqlStore) -> None:
    async with store.begin() as unit:
        assert await unit.principal("bob") == Principal("bob")


async def test_a_role_is_given_changed_and_taken(store: SqlStore) -> None:
    for role, members in (
        (Role.VIEWER, (Member("ann", Role.VIEWER),)),
        (Role.OWNER, (Member("ann", Role.OWNER),)),
        (None, ()),
        (None, ()),
    ):
        async with store.begin(write=True) as unit:
            await unit.set_member("physics", "ann", role)
        async with store.begin() as unit:
            assert await unit.members("physics") == members


@pytest.mark.parametrize(("project", "user"), [("chemistry", "ann"), ("physics", "nobody")])
async def test_a_role_needs_a_project_and_a_user_that_exist(store: SqlStore, project: str, user: str) -> None:
    async with store.begin(write=True) as unit:
        with pytest.raises(NotFound):
            await unit.set_member(project, user, Role.VIEWER)


async def test_names_are_sorted_alike_on_every_database(store: SqlStore) -> None:
    # Databases may sort by the rules of a language, in which hyphens count for nothing.
    async with store.begin(write=True) as unit:
        for name in ("a-z", "ab", "a-b", "a0"):
            await unit.add_project(name, NOW)
    async with store.begin() as unit:
        assert await unit.projects() == ("a-b", "a-z", "a0", "ab", "biology", "physics")
