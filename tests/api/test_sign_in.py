"""Who is let in, and how often one may guess."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from spin.api.passwords import Argon2Passwords
from spin.store import open_store, sqlite_url
from spin.usecases.bootstrap import ensure_operator
from spin.usecases.guard import FREE_FAILURES, LONGEST_PAUSE, REMEMBERED, Guard
from support.api import NOW, World, new_world

PASSWORD = "correct horse"


class CountingPasswords(Argon2Passwords):
    """Real hashes, of the least cost; counts how often one is verified."""

    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.verified = 0

    def verify(self, password: str, hashed: str) -> bool:
        self.verified += 1
        return super().verify(password, hashed)


def basic(user: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


async def ask(world: World, headers: dict[str, str]) -> httpx.Response:
    async with world.open(headers) as client:
        return await client.get("/whoami")


@pytest.fixture
async def with_password(world: World) -> World:
    """`paula` has a password, and the verifications are counted."""
    await world.exchange(passwords=CountingPasswords())
    made = await world.as_("root").post("/users", json={"name": "paula", "password": PASSWORD})
    assert made.status_code == 201
    return world


def verified(world: World) -> int:
    assert isinstance(world.platform.passwords, CountingPasswords)
    return world.platform.passwords.verified


async def test_a_key_as_bearer_or_as_basic_password_of_its_owner_signs_in(world: World) -> None:
    key = world.keys["dora"]
    lab = {"name": "lab", "role": "developer"}
    expected = {"user": "dora", "operator": False, "projects": [lab], "key": key.split("_")[1], "identity": None}
    for headers in ({"Authorization": f"Bearer {key}"}, basic("dora", key), {"Authorization": f"bearer  {key}"}):
        answer = await ask(world, headers)
        assert (answer.status_code, answer.json()) == (200, expected)


async def test_a_password_signs_in(world: World) -> None:
    await world.as_("root").post("/users", json={"name": "paula", "password": PASSWORD})
    answer = await ask(world, basic("paula", PASSWORD))
    assert answer.json() == {"user": "paula", "operator": False, "projects": [], "key": None, "identity": None}
    async with world.store.begin() as work:
        assert str(await work.password_hash("paula")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer spin_abc_wrong"},
        {"Authorization": "Bearer spin_" + "0" * 12 + "_" + "0" * 64},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Negotiate abc"},
        basic("dora", ""),
        basic("", ""),
        basic("do\x00ra", "x"),
        basic("nobody", "guess"),
    ],
    ids=lambda h: h.get("Authorization", "nothing")[:24],
)
async def test_anything_else_does_not(world: World, headers: dict[str, str]) -> None:
    answer = await ask(world, headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "not-signed-in"
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


async def test_a_key_with_another_persons_name_or_a_changed_secret_does_not(world: World) -> None:
    key = world.keys["dora"]
    changed = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert (await ask(world, basic("otto", key))).status_code == 401
    assert (await ask(world, {"Authorization": f"Bearer {changed}"})).status_code == 401


async def test_a_key_that_has_ended_says_when(world: World) -> None:
    made = (await world.as_("dora").post("/keys", json={"name": "laptop", "expires_days": 1})).json()
    assert (await ask(world, {"Authorization": f"Bearer {made['key']}"})).status_code == 200
    world.clock.forward(timedelta(days=1))
    answer = await ask(world, {"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 401
    assert "2030-05-02" in answer.json()["detail"]


async def test_a_removed_key_is_worth_nothing_at_once(world: World) -> None:
    made = (await world.as_("dora").post("/keys", json={"name": "laptop"})).json()
    assert (await world.as_("dora").delete(f"/keys/{made['id']}")).status_code == 204
    assert (await ask(world, {"Authorization": f"Bearer {made['key']}"})).status_code == 401


async def test_the_last_use_of_a_key_is_noted_without_a_write_for_each_request(world: World) -> None:
    world.clock.forward(timedelta(hours=1))
    first = (await world.as_("dora").get("/keys")).json()
    world.clock.forward(timedelta(minutes=1))
    second = (await world.as_("dora").get("/keys")).json()
    assert first == second
    assert first[0]["last_used"].startswith("2030-05-01T13:00:00")


async def test_a_proven_password_is_not_hashed_again_for_each_request(with_password: World) -> None:
    answers = await asyncio.gather(*(ask(with_password, basic("paula", PASSWORD)) for _ in range(10)))
    assert {a.status_code for a in answers} == {200}
    assert verified(with_password) == 1
    with_password.clock.forward(timedelta(minutes=6))
    await ask(with_password, basic("paula", PASSWORD))
    assert verified(with_password) == 2


async def test_guessing_is_slowed_down_for_that_name_alone_and_ends_with_time(with_password: World) -> None:
    for number in range(FREE_FAILURES):
        assert (await ask(with_password, basic("paula", f"guess {number}"))).status_code == 401
    tried = verified(with_password)
    blocked = await ask(with_password, basic("paula", PASSWORD))
    assert blocked.status_code == 429
    assert blocked.json()["code"] == "not-signed-in"
    assert blocked.headers["Retry-After"] == "1"
    assert verified(with_password) == tried
    assert (await ask(with_password, basic("otto", "guess"))).status_code == 401
    assert (await ask(with_password, {"Authorization": f"Bearer {with_password.keys['dora']}"})).status_code == 200
    with_password.clock.forward(timedelta(seconds=1))
    assert (await ask(with_password, basic("paula", PASSWORD))).status_code == 200


async def test_guesses_at_the_same_time_do_not_slip_through(with_password: World) -> None:
    answers = await asyncio.gather(*(ask(with_password, basic("paula", f"guess {n}")) for n in range(20)))
    assert sorted(a.status_code for a in answers) == [401] * FREE_FAILURES + [429] * (20 - FREE_FAILURES)
    assert verified(with_password) == FREE_FAILURES


async def test_somebody_who_has_proven_the_password_is_not_locked_out_by_guesses(with_password: World) -> None:
    assert (await ask(with_password, basic("paula", PASSWORD))).status_code == 200
    for number in range(FREE_FAILURES + 1):
        await ask(with_password, basic("paula", f"guess {number}"))
    assert (await ask(with_password, basic("paula", PASSWORD))).status_code == 200


async def test_an_unknown_name_costs_as_much_as_a_known_one(with_password: World) -> None:
    await ask(with_password, basic("nobody-here", "guess"))
    assert verified(with_password) == 1


async def test_an_endless_password_is_not_hashed(with_password: World) -> None:
    assert (await ask(with_password, basic("paula", "x" * 5000))).status_code == 401
    assert verified(with_password) == 0


async def test_every_endpoint_but_the_site_and_its_rules_pages_needs_credentials(world: World) -> None:
    document = (await world.as_("").get("/openapi.json")).json()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="http://spin.test") as nobody:
        answers = {
            f"{method} {path}": (await nobody.request(method, path.replace("{", "").replace("}", ""))).status_code
            for path, methods in document["paths"].items()
            for method in methods
        }
        assert (await nobody.get("/api/v1/no/such/thing")).status_code == 401
    free = {name for name, status in answers.items() if status == 200}
    assert free == {"get /api/v1/site", "get /healthz", "get /readyz"}
    assert answers.pop("get /rules/{code}") == 404, "no rule is called `code`, but the page would be there for anyone"
    assert {status for name, status in answers.items() if name not in free} == {401}


async def test_credentials_are_looked_at_before_the_body(world: World) -> None:
    sent: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(100):
            sent.append(number)
            yield b" " * 1024

    answer = await world.as_("").put("/projects/lab/environments/development/stacks/shop", content=body())
    assert answer.status_code == 401
    assert sent == []


async def test_the_first_start_makes_an_operator_once(tmp_path: Path) -> None:
    async with await open_store(sqlite_url(tmp_path / "empty.db"), bytes(32)) as store, new_world(tmp_path) as world:
        await world.exchange(store=store)
        keys: list[str] = []
        done = await asyncio.gather(*(ensure_operator(world.platform, "admin", keys.append) for _ in range(3)))
        assert sorted(done) == [False, False, True]
        [key] = keys
        answer = (await ask(world, {"Authorization": f"Bearer {key}"})).json()
    assert answer == {
        "user": "admin",
        "operator": True,
        "projects": [{"name": "admin", "role": "owner"}],
        "key": key.split("_")[1],
        "identity": None,
    }


async def test_a_first_start_that_could_not_keep_the_key_is_a_first_start_again(tmp_path: Path) -> None:
    def full(_text: str) -> None:
        raise OSError("no space left on device")

    async with await open_store(sqlite_url(tmp_path / "empty.db"), bytes(32)) as store, new_world(tmp_path) as world:
        await world.exchange(store=store)
        with pytest.raises(OSError, match="no space"):
            await ensure_operator(world.platform, "admin", full)
        assert await ensure_operator(world.platform, "admin", [].append)


def test_the_memory_of_sign_ins_is_bounded() -> None:
    guard = Guard()
    for number in range(3 * REMEMBERED):
        guard.fail(guard.attempts(f"name-{number}"), NOW)
        guard.prove(f"name-{number}", guard.fingerprint(f"name-{number}", "p", "h"), NOW)
    assert len(guard._attempts) <= REMEMBERED
    assert len(guard._proven) <= REMEMBERED


def test_pauses_grow_to_a_limit_and_are_forgiven() -> None:
    guard, pauses = Guard(), []
    attempts = guard.attempts("paula")
    for _ in range(20):
        guard.fail(attempts, NOW)
        pauses.append(guard.pause(attempts, NOW))
    assert pauses[: FREE_FAILURES + 2] == [timedelta(0)] * (FREE_FAILURES - 1) + [timedelta(seconds=s) for s in (1, 2, 4)]
    assert pauses[-1] == LONGEST_PAUSE
    assert guard.pause(attempts, NOW + timedelta(hours=2)) == timedelta(0)
    assert attempts.failures == 0


def test_a_hash_that_is_none_fits_no_password() -> None:
    assert not Argon2Passwords().verify("x", "not a hash")
