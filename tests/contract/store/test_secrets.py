"""Secrets: numbered, sealed, bound to their place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from spin.errors import Failed
from spin.ports.store import SecretInfo
from spin.store import SqlStore, open_store, sqlite_url
from spin.store.schema import secret_versions
from spin.store.sealing import Sealer
from support.stored import NOW, people_and_projects

PLACE = ("physics", "development", "shop.password")


@pytest.fixture
async def store(store: SqlStore) -> SqlStore:
    await people_and_projects(store)
    return store


def _contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def _add(store: SqlStore, *values: bytes, place: tuple[str, str, str] = PLACE) -> list[SecretInfo]:
    async with store.begin(write=True) as unit:
        return [await unit.add_secret(*place, value, "ann", NOW) for value in values]


async def test_each_new_value_is_a_new_version_and_old_ones_stay_readable(store: SqlStore) -> None:
    infos = await _add(store, b"one", b"two", b"one")
    assert [i.version for i in infos] == [1, 2, 3]
    async with store.begin() as unit:
        assert [await unit.secret_value(*PLACE, number) for number in range(5)] == [None, b"one", b"two", b"one", None]
        assert await unit.secret(*PLACE) == SecretInfo("shop.password", 3, "ann", NOW)


async def test_the_newest_value_again_adds_no_version(store: SqlStore) -> None:
    await _add(store, b"one", b"two")
    async with store.begin(write=True) as unit:
        again = await unit.add_secret(*PLACE, b"two", "bob", NOW + timedelta(1))
    assert again == SecretInfo("shop.password", 2, "ann", NOW)


@pytest.mark.parametrize("value", [b"", bytes(range(256)), b"x" * 1_000_000], ids=["empty", "binary", "large"])
async def test_any_bytes_can_be_a_secret(store: SqlStore, value: bytes) -> None:
    await _add(store, value)
    async with store.begin() as unit:
        assert await unit.secret_value(*PLACE, 1) == value


async def test_the_list_has_the_newest_version_of_each_sorted_by_name(store: SqlStore) -> None:
    await _add(store, b"1", b"2", place=("physics", "development", "b"))
    await _add(store, b"1", place=("physics", "development", "a"))
    await _add(store, b"1", place=("physics", "production", "c"))
    async with store.begin() as unit:
        assert [(s.name, s.version) for s in await unit.secrets("physics", "development")] == [("a", 1), ("b", 2)]


async def test_removing_removes_all_versions(store: SqlStore) -> None:
    await _add(store, b"one", b"two")
    async with store.begin(write=True) as unit:
        assert await unit.remove_secret(*PLACE)
        assert not await unit.remove_secret(*PLACE)
    async with store.begin() as unit:
        assert await unit.secret(*PLACE) is None
        assert await unit.secrets(*PLACE[:2]) == ()
        assert await unit.secret_value(*PLACE, 1) is None


async def test_a_number_never_comes_to_mean_another_value(store: SqlStore) -> None:
    # Revisions and the digests of containers know a value by its number alone.
    await _add(store, b"one", b"two")
    async with store.begin(write=True) as unit:
        await unit.remove_secret(*PLACE)
    assert [i.version for i in await _add(store, b"two", b"two")] == [3, 3]


@pytest.mark.parametrize(
    "foreign",
    [("biology", *PLACE[1:]), ("physics", "production", PLACE[2]), (*PLACE[:2], "shop.other")],
    ids=["project", "environment", "name"],
)
async def test_a_foreign_place_finds_and_removes_nothing(store: SqlStore, foreign: tuple[str, str, str]) -> None:
    await _add(store, b"one")
    async with store.begin(write=True) as unit:
        assert await unit.secret(*foreign) is None
        assert await unit.secret_value(*foreign, 1) is None
        assert not await unit.remove_secret(*foreign)
        assert [i.name for i in await unit.secrets(*foreign[:2])] == ([PLACE[2]] if foreign[:2] == PLACE[:2] else [])
    async with store.begin() as unit:
        assert await unit.secret_value(*PLACE, 1) == b"one"


@pytest.mark.parametrize(
    "move",
    [{"project": "biology"}, {"environment": "production"}, {"name": "shop.other"}, {"version": 2}],
    ids=lambda move: next(iter(move)),
)
async def test_a_sealed_value_that_was_copied_to_another_place_does_not_open_there(
    store: SqlStore, move: dict[str, object]
) -> None:
    target = dict(zip(("project", "environment", "name"), PLACE, strict=True)) | {"version": 1} | move
    place = (str(target["project"]), str(target["environment"]), str(target["name"]))
    await _add(store, b"mine")
    await _add(store, b"theirs", *([b"their second"] if "version" in move else []), place=place)
    mine = (secret_versions.c.project == PLACE[0]) & (secret_versions.c.environment == PLACE[1])
    mine = mine & (secret_versions.c.name == PLACE[2]) & (secret_versions.c.version == 1)
    async with store.engine.begin() as connection:
        sealed = (await connection.execute(select(secret_versions.c.sealed).where(mine))).scalar_one()
        there = [secret_versions.c[name] == value for name, value in target.items()]
        await connection.execute(update(secret_versions).where(*there).values(sealed=sealed))
    async with store.begin() as unit:
        with pytest.raises(Failed, match="cannot be opened"):
            await unit.secret_value(*place, int(str(target["version"])))


async def test_equal_values_look_different_and_no_value_is_in_the_database(store: SqlStore) -> None:
    value = b"correct horse battery staple"
    await _add(store, value)
    await _add(store, value, place=("physics", "production", PLACE[2]))
    async with store.engine.connect() as connection:
        rows = (await connection.execute(select(secret_versions.c.sealed))).scalars().all()
    assert len(set(rows)) == 2
    assert not any(value in row for row in rows)


async def test_no_value_is_in_the_files_of_the_database(tmp_path: Path, key: bytes) -> None:
    value = b"correct horse battery staple"
    async with await open_store(sqlite_url(tmp_path / "spin.db"), key) as store:
        await people_and_projects(store)
        await _add(store, value)
        written = _contents(tmp_path)
    written += _contents(tmp_path)
    assert PLACE[2].encode() in written
    assert value not in written
    assert key not in written


@pytest.mark.parametrize("position", [0, 1, 12, 13, -1], ids=["format", "nonce", "nonce's end", "text", "tag"])
def test_a_changed_byte_is_noticed(position: int, key: bytes) -> None:
    sealed = bytearray(Sealer(key).seal(b"value", "place", 1))
    sealed[position] ^= 1
    with pytest.raises(Failed):
        Sealer(key).open(bytes(sealed), "place", 1)


@pytest.mark.parametrize("length", [0, 1, 12, 13])
def test_a_cut_value_is_noticed(length: int, key: bytes) -> None:
    with pytest.raises(Failed):
        Sealer(key).open(Sealer(key).seal(b"", "place")[:length], "place")


def test_places_cannot_be_confused_by_moving_characters_between_their_parts(key: bytes) -> None:
    with pytest.raises(Failed):
        Sealer(key).open(Sealer(key).seal(b"value", "ab", "c"), "a", "bc")
