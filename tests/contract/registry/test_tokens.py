"""The token endpoint grants what membership allows, and the registry believes nothing else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from spin.kit.clock import SystemClock
from spin.registry import RegistryTokens, SigningKey
from spin.registry.tokens import grant
from support.shipping import MANIFEST, put_image, writer

ALL = ["pull", "push", "delete"]


@pytest.mark.parametrize(
    ("user", "scope", "actions"),
    [
        ("vera", "repository:lab/web:pull", ["pull"]),
        ("vera", "repository:lab/web:pull,push", ["pull"]),
        ("dora", "repository:lab/web:pull,push", ["pull", "push"]),
        ("otto", "repository:lab/web:push", ["push"]),
        ("root", "repository:lab/web:pull,push,delete", ALL),
        ("root", "repository:other/web:*", ALL),
        ("dora", "repository:lab/deep/er/web:pull", ["pull"]),
        ("vera", "repository:lab/web:*", ["pull"]),
    ],
)
def test_members_get_what_their_role_allows(yard, user, scope, actions):
    assert list(yard.granted(user, scope).values()) == [actions]


@pytest.mark.parametrize(
    ("user", "scope"),
    [
        ("sam", "repository:lab/web:pull"),
        ("vera", "repository:lab/web:push"),
        ("dora", "repository:lab:pull"),
        ("dora", "repository:labs/web:pull"),
        ("dora", "repository:other/web:pull,push"),
        ("root", "repository:no-such-project/web:pull"),
        ("dora", "registry:catalog:*"),
        ("otto", "registry:catalog:*"),
        # What is no scope at all grants nothing.
        ("dora", ""),
        ("dora", ":"),
        ("dora", "::"),
        ("dora", "repository"),
        ("dora", "repository:lab/web"),
        ("dora", "repository:lab/web:"),
        ("dora", "repository:lab/../other/web:pull"),
        ("dora", "repository:lab//web:pull"),
        ("dora", "repository:/lab/web:pull"),
        ("dora", "repository:LAB/web:pull"),
        ("dora", "repository:lab/web:PULL"),
        ("dora", "repository:lab/web:pull;push"),
        ("dora", "repository:lab/web\x00:pull"),
        ("dora", "repository:läb/web:pull"),
        ("dora", "repository(plugin):lab/web:pull"),
        ("dora", "repository:lab/" + "x" * 5000 + ":pull"),
        ("dora", "volume:lab/web:pull"),
    ],
)
def test_everything_else_grants_nothing(yard, user, scope):
    assert yard.granted(user, scope) == {}


def test_operators_may_list_the_catalog(yard):
    put_image(yard.url, "lab/listed", "1", writer(yard.tokens, "lab/listed"))
    answer = yard.ask("root", "registry:catalog:*")
    listed = yard.call("GET", "/v2/_catalog", answer.json()["token"])
    assert listed.status_code == 200
    assert "lab/listed" in listed.json()["repositories"]
    refused = yard.call("GET", "/v2/_catalog", yard.ask("otto", "registry:catalog:*").json()["token"])
    assert refused.status_code == 401


def test_several_scopes_are_granted_each_for_itself(yard):
    scopes = ("repository:lab/web:pull,push", "repository:other/base:pull", "nonsense")
    assert yard.granted("dora", *scopes) == yard.granted("dora", " ".join(scopes)) == {"lab/web": ["pull", "push"]}


def test_a_flood_of_scopes_is_answered(yard):
    assert len(yard.granted("dora", *(f"repository:lab/web-{n}:pull" for n in range(300)))) <= 20


def test_a_token_answer_is_as_the_specification_has_it(yard):
    answer = yard.ask("dora", "repository:lab/web:pull")
    body = answer.json()
    assert set(body) == {"token", "access_token", "expires_in", "issued_at"}
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 300
    assert datetime.fromisoformat(body["issued_at"]).tzinfo is not None
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"dora:" + b"x" * 5000).decode(),
        "Basic " + base64.b64encode(b"dora\x00:x").decode(),
        "Bearer nonsense",
        "Digest username=dora",
    ],
)
def test_who_is_not_signed_in_is_asked_to(yard, header):
    answer = yard.ask(None, "repository:lab/web:pull", **({"Authorization": header} if header else {}))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_the_registry_says_where_tokens_are(yard):
    answer = yard.call("GET", "/v2/")
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert f'realm="http://localhost:{yard.site.api_port}/registry/token"' in challenge


class At:
    """A clock that is wrong by so much."""

    def __init__(self, **offset: float) -> None:
        self._offset = timedelta(**offset)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset


def test_the_registry_believes_tokens_of_its_own_key_while_they_are_good(yard, workplace):
    name = "lab/believed"
    put_image(yard.url, name, "1", writer(yard.tokens, name))
    own = SigningKey.load(yard.directory / "registry")
    access = [grant(name, "pull")]
    good = {
        "now": RegistryTokens(own, SystemClock()),
        "a clock that is fast by half a minute": RegistryTokens(own, At(seconds=30)),
    }
    bad = {
        "another key": RegistryTokens(SigningKey.load(workplace), SystemClock()),
        "out of date": RegistryTokens(own, At(minutes=-10)),
        "not yet good": RegistryTokens(own, At(minutes=10)),
    }

    def answer(token: str) -> int:
        return yard.call("GET", f"/v2/{name}/manifests/1", token, headers={"Accept": MANIFEST}).status_code

    assert {why: answer(t.sign("x", access)) for why, t in good.items()} == dict.fromkeys(good, 200)
    assert {why: answer(t.sign("x", access)) for why, t in bad.items()} == dict.fromkeys(bad, 401)
    for token in ("", "nonsense", "a.b.c", yard.tokens.sign("x", [grant("lab/other", "pull")]), yard.tokens.sign("x", [])):
        assert answer(token) == 401


def test_the_key_is_for_its_owner_only_and_stays_the_same(workplace):
    first = SigningKey.load(workplace)
    assert {oct(file.stat().st_mode & 0o777) for file in workplace.iterdir()} == {"0o600"}
    assert SigningKey.load(workplace).certificate == first.certificate
