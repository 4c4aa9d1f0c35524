"""Signing in and out, keys, users, projects."""

from __future__ import annotations

import socket
import stat

import pytest

from spin.cli import credentials
from support.fake_api import KEY, Problem


def test_login_with_a_key_file_keeps_the_key_for_that_platform(api, home, anonymous) -> None:
    (home / "key").write_text(KEY + "\n")
    done = anonymous("login", api.url, "--key-file", "key")
    assert (done.status, done.out) == (0, "")
    assert done.err == f"Signed in to {api.url} as maria, project demo.\n"
    kept = credentials.load()
    assert kept.current == api.url
    assert kept.sites[api.url] == credentials.Login(KEY, "maria", "demo", "localhost:5999", created=False)
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600
    assert anonymous("whoami").status == 0


def test_login_with_a_password_makes_a_key_named_after_the_machine(api, anonymous) -> None:
    done = anonymous("login", "--user", "maria", stdin="trustno1\n")
    assert done.status == 0
    assert api.posted("/keys") == {"name": socket.gethostname()}
    assert credentials.load().sites[api.url].created
    assert "trustno1" not in credentials.path().read_text() + done.out + done.err
    assert KEY not in done.out + done.err


def test_a_wrong_password_and_a_wrong_key_keep_nothing(api, anonymous) -> None:
    assert anonymous("login", "--user", "maria", stdin="wrong\n").status == 4
    assert anonymous("login", "--key-file", "-", stdin="spin_x_y\n").status == 4
    assert anonymous("login", "--key-file", "-", stdin="").status == 2
    assert anonymous("login").status == 2
    assert not credentials.path().exists()


def test_login_may_choose_the_project(api, home, anonymous) -> None:
    api.projects = [{"name": "wiki", "role": "owner"}, {"name": "demo", "role": "owner"}]
    assert "project" not in anonymous("login", "--key-file", "-", stdin=KEY).err
    assert anonymous("login", "--key-file", "-", "-p", "nowhere", stdin=KEY).status == 2
    anonymous("login", "--key-file", "-", "-p", "wiki", stdin=KEY)
    anonymous("stack", "ls")
    assert api.seen[-1].path == "/api/v1/projects/wiki/environments/development/stacks"


def test_a_kept_key_is_never_sent_to_another_address(api, anonymous, monkeypatch) -> None:
    anonymous("login", "--key-file", "-", stdin=KEY)
    monkeypatch.setenv("SPIN_URL", api.url.replace("127.0.0.1", "localhost"))
    before = len(api.seen)
    assert anonymous("ps").status == 4
    assert all(not seen.authorization for seen in api.seen[before:])


def test_a_token_from_the_environment_brings_nothing_of_the_kept_person_with_it(api, anonymous, monkeypatch) -> None:
    anonymous("login", "--key-file", "-", stdin=KEY)
    monkeypatch.setenv("SPIN_TOKEN", KEY)
    api.projects = [{"name": "wiki", "role": "owner"}]
    anonymous("stack", "ls")
    assert api.seen[-1].path == "/api/v1/projects/wiki/environments/development/stacks"


def test_logout_revokes_the_key_that_login_made_and_no_other(api, anonymous) -> None:
    anonymous("login", "--key-file", "-", stdin=KEY)
    assert anonymous("logout").err == f"Signed out of {api.url}.\n"
    assert "DELETE /keys/k1" not in api.methods()
    anonymous("login", "--user", "maria", stdin="trustno1")
    anonymous("logout")
    assert "DELETE /keys/k1" in api.methods()
    assert credentials.load() == credentials.Credentials()
    assert "not signed in" in anonymous("logout").err


def test_a_key_that_cannot_be_revoked_is_forgotten_and_said_so(api, anonymous) -> None:
    anonymous("login", "--user", "maria", stdin="trustno1")
    api.answers["DELETE", "/keys/k1"] = Problem("unavailable", "Not now.")
    done = anonymous("logout")
    assert "could not be revoked: Not now." in done.err
    assert KEY not in done.err
    assert credentials.load() == credentials.Credentials()


def test_a_new_key_alone_goes_to_stdout(api, spin) -> None:
    done = spin("key", "create", "laptop", "--expires-days", "30", "--user", "paul")
    assert done.out == KEY + "\n"
    assert "not shown again" in done.err
    assert api.posted("/keys") == {"name": "laptop", "expires_days": 30, "user": "paul"}
    spin("key", "rm", "k7")
    assert api.methods()[-1] == "DELETE /keys/k7"


def test_users_get_their_password_from_a_file_or_none(api, home, spin) -> None:
    assert "without a password" in spin("user", "create", "paul").err
    assert api.posted("/users") == {"name": "paul", "operator": False}
    spin("user", "create", "paul", "--operator", "--password-file", "-", stdin="secret\n")
    assert api.posted("/users") == {"name": "paul", "operator": True, "password": "secret"}


def test_projects_and_their_members(api, spin) -> None:
    assert spin("project", "create", "wiki").err == "Project wiki is made.\n"
    assert spin("project", "member", "set", "paul", "viewer").err == "paul is viewer in project demo.\n"
    assert spin("project", "member", "rm", "paul", "-p", "wiki").status == 0
    assert api.methods() == ["POST /projects", "PUT /projects/demo/members/paul", "DELETE /projects/wiki/members/paul"]
    assert spin("project", "member", "set", "paul", "king").status == 2


def test_operators_say_who_people_and_projects_are_on_the_filesystems(api, spin) -> None:
    identity = {"uid": 46311, "gid": 75137, "gids": [80001, 80002]}
    api.answers = {
        ("PUT", "/users/paul/identity"): {"name": "paul", "operator": False, "created": "", "identity": identity},
        ("DELETE", "/users/paul/identity"): {"name": "paul", "operator": False, "created": "", "identity": None},
    }
    done = spin("user", "set", "paul", "--uid", "46311", "--gid", "75137", "--gids", "80001,80002")
    assert done.err == "paul is 46311:75137 on the site's filesystems, with the groups 80001,80002.\n"
    assert api.posted("/users/paul/identity") == identity
    assert "no account" in spin("user", "set", "paul", "--none").err
    assert spin("project", "account", "set", "gateway", "--uid", "70001", "--gid", "75137").err == (
        "Account gateway of project demo is 70001:75137.\n"
    )
    assert api.posted("/accounts/gateway") == {"uid": 70001, "gid": 75137, "gids": []}
    assert spin("project", "account", "rm", "gateway", "-p", "wiki").status == 0
    assert api.methods()[-1] == "DELETE /projects/wiki/accounts/gateway"


@pytest.mark.parametrize(
    "command",
    [
        "user set paul",
        "user set paul --uid 1000",
        "user set paul --none --uid 1000",
        "user set paul --none --gids 5",
        "user set paul --uid x --gid 1",
        "user set paul --uid 1000 --gid 1 --gids a,b",
        "project account set gateway --uid 1000",
    ],
)
def test_half_an_identity_is_wrong_usage(api, spin, command: str) -> None:
    assert spin(*command.split()).status == 2
    assert api.methods() == []


def test_whoami_tells_the_numbers_on_the_filesystems(api, spin) -> None:
    identity = {"uid": 46311, "gid": 75137, "gids": []}
    api.answers[("GET", "/whoami")] = {"user": "maria", "operator": False, "projects": [], "key": "k1", "identity": identity}
    assert "46311:75137" in spin("whoami").out


@pytest.mark.parametrize("command", ["key ls", "user ls", "project ls", "environment ls", "whoami", "up", "plan", "push", "ps"])
def test_nothing_is_sent_without_a_key(api, home, anonymous, command: str) -> None:
    (home / "compose.yaml").write_text("services: {web: {image: a}}\n")
    done = anonymous(*command.split())
    assert done.status == 4
    assert f"spin login {api.url}" in done.err
    assert [s for s in api.seen if s.path != "/api/v1/site"] == []
