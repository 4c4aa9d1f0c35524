"""Deployments, revisions, statuses: the desired state and what is reported of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from spin.errors import Conflict
from spin.model.names import DeploymentKey
from spin.model.revision import Goal, ServiceWish, Upgrade
from spin.model.stack import FailureAction
from spin.model.status import State
from spin.store import SqlStore
from support.database import counted
from support.stored import BERLIN, NOW, deployment, key, people_and_projects, revision, status


@pytest.fixture(autouse=True)
async def _projects(store: SqlStore) -> None:
    await people_and_projects(store)


async def _deploy(store: SqlStore, of: DeploymentKey, revisions: int = 1) -> None:
    async with store.begin(write=True) as unit:
        await unit.add_deployment(deployment(of, revision=revisions))
        for number in range(1, revisions + 1):
            await unit.add_revision(of, revision(number))
        await unit.save_status(of, status())


async def test_a_deployment_is_found_as_it_was_written(store: SqlStore) -> None:
    wishes = (ServiceWish("db", stopped=True), ServiceWish("web", started=NOW, restarts=3))
    written = deployment(wishes=wishes, goal=Goal.REMOVED, remove_volumes=True, revision=7, generation=12)
    async with store.begin(write=True) as unit:
        await unit.add_deployment(written)
    async with store.begin() as unit:
        assert await unit.deployment(key()) == written
        assert await unit.deployments() == (written,)


async def test_an_unconfirmed_upgrade_and_the_services_numbers_are_found_as_they_were_written(store: SqlStore) -> None:
    upgrade = Upgrade(3, (("api", 2), ("web", 1)), NOW, NOW + timedelta(1), FailureAction.ROLLBACK)
    written = deployment(upgrade=upgrade, numbers=(("api", 1), ("web", 3)))
    async with store.begin(write=True) as unit:
        await unit.add_deployment(written)
        assert await unit.deployment(key()) == written
        confirmed = await unit.save_deployment(replace(written, upgrade=None))
    async with store.begin() as unit:
        assert await unit.deployment(key()) == confirmed
    assert (confirmed.upgrade, confirmed.numbers) == (None, written.numbers)


async def test_moments_are_kept_to_the_microsecond_and_come_back_in_utc(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.add_deployment(deployment(created=NOW.astimezone(BERLIN), changed=None))
        await unit.add_revision(key(), revision(created=NOW.astimezone(BERLIN)))
    async with store.begin() as unit:
        found, first = await unit.deployment(key()), await unit.revision(key(), 1)
    assert found is not None
    assert found.created == NOW
    assert found.created.tzinfo is UTC
    assert found.changed is None
    assert first is not None
    assert first.created == NOW


async def test_a_moment_without_a_time_zone_is_refused(store: SqlStore) -> None:
    with pytest.raises(Exception, match="without a time zone"):
        async with store.begin(write=True) as unit:
            await unit.add_deployment(deployment(created=NOW.replace(tzinfo=None)))


async def test_each_write_grows_the_generation(store: SqlStore) -> None:
    await _deploy(store, key())
    async with store.begin(write=True) as unit:
        saved = await unit.save_deployment(deployment(revision=2, wishes=(ServiceWish("web", stopped=True),)))
    assert saved.generation == 2
    async with store.begin() as unit:
        assert await unit.deployment(key()) == saved


async def test_a_write_from_an_old_generation_is_a_conflict_and_changes_nothing(store: SqlStore) -> None:
    await _deploy(store, key())
    async with store.begin(write=True) as unit:
        newest = await unit.save_deployment(deployment(revision=2))
    async with store.begin(write=True) as unit:
        with pytest.raises(Conflict, match="meanwhile") as caught:
            await unit.save_deployment(deployment(revision=3))
    assert caught.value.fields == {"environment": "development", "stack": "shop", "generation": 1}
    async with store.begin() as unit:
        assert await unit.deployment(key()) == newest


async def test_a_deployment_that_is_gone_cannot_be_saved(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        with pytest.raises(Conflict):
            await unit.save_deployment(deployment())


async def test_the_moment_of_creation_is_written_once(store: SqlStore) -> None:
    await _deploy(store, key())
    async with store.begin(write=True) as unit:
        saved = await unit.save_deployment(deployment(created=None, changed=NOW + timedelta(1)))
    assert (saved.created, saved.changed) == (NOW, NOW + timedelta(1))
    async with store.begin() as unit:
        assert await unit.deployment(key()) == saved


@pytest.mark.parametrize("project", ["physics", "biology"])
async def test_a_stacks_name_is_unique_in_its_environment_over_all_projects(store: SqlStore, project: str) -> None:
    await _deploy(store, key("physics"))
    async with store.begin(write=True) as unit:
        with pytest.raises(Conflict) as caught:
            await unit.add_deployment(deployment(key(project)))
    assert "'shop' is taken in development" in caught.value.message
    assert "physics" not in f"{caught.value.message}{caught.value.fields}"


async def test_the_same_name_is_free_in_another_environment(store: SqlStore) -> None:
    await _deploy(store, key("physics"))
    await _deploy(store, key("biology", environment="production"))
    async with store.begin() as unit:
        assert await unit.holder("development", "shop") == key("physics")
        assert await unit.holder("production", "shop") == key("biology", environment="production")
        assert await unit.holder("sandbox", "shop") is None


async def test_a_deployment_of_no_project_is_refused(store: SqlStore) -> None:
    with pytest.raises(Conflict, match="does not exist"):
        async with store.begin(write=True) as unit:
            await unit.add_deployment(deployment(key("chemistry")))


async def test_lists_are_narrowed_by_project_and_environment_and_sorted(store: SqlStore) -> None:
    keys = [key("physics", "b"), key("physics", "a"), key("biology", "c"), key("physics", "a", "production")]
    for one in keys:
        await _deploy(store, one)
    narrowed = {
        (None, None): sorted(keys),
        ("physics", None): sorted(k for k in keys if k.project == "physics"),
        (None, "production"): [key("physics", "a", "production")],
        ("physics", "development"): [key("physics", "a"), key("physics", "b")],
        ("chemistry", None): [],
    }
    async with store.begin() as unit:
        for (project, environment), expected in narrowed.items():
            assert [d.key for d in await unit.deployments(project, environment)] == expected
            assert sorted(await unit.statuses(project, environment)) == expected
            assert sorted(await unit.desired_revisions(project, environment)) == expected


async def test_generations_are_those_of_all_projects_and_grow_with_each_write(store: SqlStore) -> None:
    keys = [key("physics", "a"), key("biology", "c"), key("physics", "a", "production")]
    for one in keys:
        await _deploy(store, one)
    async with store.begin(write=True) as unit:
        before = await unit.generations()
        changed = await unit.deployment(keys[1])
        assert changed is not None
        await unit.save_deployment(changed)
    async with store.begin() as unit:
        assert before == {d.key: d.generation - (d.key == keys[1]) for d in await unit.deployments()}
        assert await unit.generations() == {**before, keys[1]: before[keys[1]] + 1}


async def test_revisions_come_back_as_written_in_order(store: SqlStore) -> None:
    await _deploy(store, key(), revisions=11)
    async with store.begin() as unit:
        assert await unit.revisions(key()) == tuple(revision(number) for number in range(1, 12))
        assert await unit.revision(key(), 11) == revision(11)
        assert await unit.revisions(key(), last=2) == (revision(10), revision(11))
        assert len(await unit.revisions(key(), last=20)) == 11
        assert await unit.revision(key(), 12) is None


async def test_a_revisions_spec_keeps_its_digest(store: SqlStore) -> None:
    await _deploy(store, key())
    async with store.begin() as unit:
        found = await unit.revision(key(), 1)
    assert found is not None
    assert found.spec.digest == revision().spec.digest


async def test_a_revisions_number_is_taken_once(store: SqlStore) -> None:
    await _deploy(store, key())
    async with store.begin(write=True) as unit:
        with pytest.raises(Conflict, match="revision 1 "):
            await unit.add_revision(key(), revision(note="another"))
    async with store.begin() as unit:
        assert await unit.revisions(key()) == (revision(),)


async def test_a_deployment_and_its_first_revision_can_be_written_in_either_order(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.add_revision(key(), revision())
        await unit.add_deployment(deployment())
    async with store.begin() as unit:
        assert await unit.desired_revisions() == {key(): revision()}


async def test_a_revision_of_no_deployment_is_refused_with_all_of_its_transaction(store: SqlStore) -> None:
    async def write() -> None:
        async with store.begin(write=True) as unit:
            await unit.add_project("chemistry", NOW)
            await unit.add_revision(key(), revision())

    with pytest.raises(Conflict, match="does not exist"):
        await write()
    async with store.begin() as unit:
        assert "chemistry" not in await unit.projects()
    async with store.begin(write=True) as unit:
        await unit.add_project("chemistry", NOW)


async def test_the_desired_revision_is_the_one_the_deployment_points_at(store: SqlStore) -> None:
    await _deploy(store, key(), revisions=3)
    async with store.begin(write=True) as unit:
        await unit.save_deployment(deployment(revision=2))
    async with store.begin() as unit:
        assert await unit.desired_revisions("physics") == {key(): revision(2)}


async def test_the_base_revision_is_the_one_that_the_unconfirmed_upgrade_would_go_back_to(store: SqlStore) -> None:
    keys = [key(stack="a"), key(stack="b"), key("biology", "c"), key(stack="d", environment="production")]
    for number, one in enumerate(keys):
        await _deploy(store, one, revisions=3)
        async with store.begin(write=True) as unit:
            upgrade = None if one.stack == "b" else Upgrade(min(number + 1, 2), (), NOW, NOW)
            await unit.save_deployment(deployment(one, revision=3, upgrade=upgrade))
    async with store.begin() as unit:
        assert await unit.base_revisions() == {keys[0]: revision(1), keys[2]: revision(2), keys[3]: revision(2)}
        assert await unit.base_revisions("physics", "production") == {keys[3]: revision(2)}
        assert await unit.base_revisions("chemistry") == {}


async def test_base_revisions_of_many_stacks_are_found_at_once(store: SqlStore) -> None:
    keys = [key(stack=f"s{number:03}") for number in range(205)]
    async with store.begin(write=True) as unit:
        for one in keys:
            await unit.add_deployment(deployment(one, revision=2, upgrade=Upgrade(1, (), NOW, NOW)))
            await unit.add_revision(one, revision(1))
    with counted(store) as statements:
        async with store.begin() as unit:
            assert sorted(await unit.base_revisions()) == keys
    assert statements.count == 3


async def test_a_status_is_exchanged_by_the_next(store: SqlStore) -> None:
    await _deploy(store, key())
    later = status(2, state=State.DEGRADED, services=(), instances=(), detail="why", observed=NOW + timedelta(1))
    async with store.begin(write=True) as unit:
        assert await unit.status(key()) == status()
        await unit.save_status(key(), later)
    async with store.begin() as unit:
        assert await unit.status(key()) == later
        assert await unit.statuses() == {key(): later}


async def test_a_status_of_a_deployment_that_is_gone_is_dropped(store: SqlStore) -> None:
    async with store.begin(write=True) as unit:
        await unit.save_status(key(), status())
    async with store.begin() as unit:
        assert await unit.status(key()) is None


async def test_a_deleted_deployment_leaves_no_revision_and_no_status_and_frees_its_name(store: SqlStore) -> None:
    await _deploy(store, key(), revisions=2)
    await _deploy(store, key(stack="other"))
    async with store.begin(write=True) as unit:
        await unit.delete_deployment(key())
        await unit.delete_deployment(key())
    await _deploy(store, key("biology"))
    async with store.begin() as unit:
        assert await unit.deployment(key()) is None
        assert await unit.revisions(key()) == ()
        assert await unit.status(key()) is None
        assert len(await unit.revisions(key(stack="other"))) == 1
        assert await unit.holder("development", "shop") == key("biology")


async def test_a_foreign_projects_key_finds_and_changes_nothing(store: SqlStore) -> None:
    await _deploy(store, key("physics"))
    foreign = key("biology")
    async with store.begin(write=True) as unit:
        assert await unit.deployment(foreign) is None
        assert await unit.revision(foreign, 1) is None
        assert await unit.revisions(foreign) == ()
        assert await unit.status(foreign) is None
        assert await unit.deployments("biology") == ()
        assert await unit.statuses("biology") == {}
        assert await unit.desired_revisions("biology") == {}
        with pytest.raises(Conflict):
            await unit.save_deployment(replace(deployment(foreign), revision=9))
        await unit.save_status(foreign, status(9))
        await unit.delete_deployment(foreign)
    async with store.begin() as unit:
        assert await unit.deployment(key("physics")) == deployment(key("physics"))
        assert await unit.revisions(key("physics")) == (revision(),)
        assert await unit.statuses() == {key("physics"): status()}


async def test_listing_takes_as_many_statements_for_forty_stacks_as_for_one(store: SqlStore) -> None:
    counts = []
    for stacks in (range(1), range(1, 40)):
        for number in stacks:
            await _deploy(store, key(stack=f"s{number}"), revisions=2)
        with counted(store) as statements:
            async with store.begin() as unit:
                found = await unit.deployments("physics", "development")
                seen = await unit.statuses("physics", "development")
                wanted = await unit.desired_revisions("physics", "development")
        assert {d.key for d in found} == set(seen) == set(wanted)
        counts.append((len(found), statements.count))
    assert counts == [(1, 3), (40, 3)]
