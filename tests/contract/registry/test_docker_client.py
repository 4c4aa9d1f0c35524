"""Plain `docker login`, `push` and `pull` work for one's own projects, and are refused for everything else."""

from __future__ import annotations

import subprocess
import uuid

import pytest

from spin.registry import PullTokens
from spin.registry.tokens import grant
from support.platform import docker
from support.shipping import MANIFEST, PASSWORD, Workstation, engine_pull, present, put_image, writer


def refused(done: subprocess.CompletedProcess[str]) -> bool:
    """Refused, and for the right reason: Docker words 401 and 403 in several ways, and says 500 where a server failed."""
    said = done.stderr.lower()
    words = ("denied", "unauthorized", "no basic auth credentials", "authentication required", "401", "403")
    return done.returncode != 0 and any(word in said for word in words) and "500" not in said


@pytest.fixture
def name() -> str:
    """A repository that no other test uses."""
    return f"lab/{uuid.uuid4().hex[:8]}"


def test_an_api_key_signs_in(yard):
    assert "Login Succeeded" in yard.workstation().login("dora", yard.keys["dora"]).stdout


def test_a_password_signs_in_and_pushes(yard, image, name):
    done = yard.workstation("paul", PASSWORD).push(image, f"{name}:1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("user", "secret"),
    [
        ("dora", "spin_000000000000_" + "0" * 64),
        ("dora", "guess"),
        ("paul", "wrong"),
        ("nobody", "guess"),
        ("sam", "KEY OF dora"),
    ],
)
def test_wrong_secrets_do_not_sign_in(yard, user, secret):
    secret = yard.keys["dora"] if secret == "KEY OF dora" else secret
    assert refused(yard.workstation().login(user, secret))


@pytest.mark.parametrize("user", ["dora", "otto", "root"])
def test_developers_owners_and_operators_push_and_pull(yard, image, name, user):
    station = yard.workstation(user)
    pushed = station.push(image, f"{name}:1")
    assert pushed.returncode == 0, pushed.stderr
    pulled = station.pull(f"{name}:1")
    assert pulled.returncode == 0, pulled.stderr


def test_a_viewer_pulls_and_may_not_push(yard, image, name):
    put_image(yard.url, name, "1", writer(yard.tokens, name))
    viewer = yard.workstation("vera")
    pulled = viewer.pull(f"{name}:1")
    assert pulled.returncode == 0, pulled.stderr
    assert refused(viewer.push(image, f"{name}:2"))


def test_another_project_is_closed_whether_its_image_exists_or_not(yard, image, name):
    put_image(yard.url, name, "1", writer(yard.tokens, name))
    stranger = yard.workstation("sam")
    assert refused(stranger.push(image, f"{name}:2"))
    there, not_there = stranger.pull(f"{name}:1"), stranger.pull("lab/no-such-image:1")
    assert refused(there)
    assert there.stderr.replace(name, "X") == not_there.stderr.replace("lab/no-such-image", "X"), "existence does not leak"


def test_nobody_signed_in_gets_nothing(yard, image, name):
    put_image(yard.url, name, "1", writer(yard.tokens, name))
    anybody: Workstation = yard.workstation()
    assert refused(anybody.pull(f"{name}:1"))
    assert refused(anybody.push(image, f"{name}:2"))


def test_a_name_without_a_project_is_nobodys(yard, image):
    assert refused(yard.workstation("dora").push(image, "shop:1"))


def test_layers_of_a_foreign_project_are_no_way_in(yard, image, name):
    """Docker asks to mount layers that it has pushed elsewhere; the token does not grant that, and it uploads them instead."""
    assert yard.workstation("dora").push(image, f"{name}:1").returncode == 0
    pushed = yard.workstation("sam").push(image, f"other/{uuid.uuid4().hex[:8]}:1")
    assert pushed.returncode == 0, pushed.stderr


def test_an_engine_pulls_by_digest_with_a_token_and_without_a_login(yard, image, name):
    assert yard.workstation("dora").push(image, f"{name}:1").returncode == 0
    answer = yard.call("HEAD", f"/v2/{name}/manifests/1", writer(yard.tokens, name), headers={"Accept": MANIFEST})
    pinned = f"{yard.site.registry_host}/{name}@{answer.headers['docker-content-digest']}"
    access = PullTokens(yard.site, yard.tokens)
    try:
        messages = engine_pull(pinned, access.bearer(pinned.partition("@")[0]))
        assert not [m for m in messages if "error" in m]
        assert present(pinned)
    finally:
        docker("rmi", "--no-prune", pinned, check=False)


def test_a_pull_token_is_good_for_its_repository_only(yard, name):
    digest = put_image(yard.url, name, "1", writer(yard.tokens, name))
    access = PullTokens(yard.site, yard.tokens)
    other = access.bearer(f"{yard.site.registry_host}/lab/other")
    messages = engine_pull(f"{yard.site.registry_host}/{name}@{digest}", other)
    assert any("denied" in m.get("message", "") + m.get("error", "") for m in messages), messages
    assert yard.call("POST", f"/v2/{name}/blobs/uploads/", access.bearer(f"{yard.site.registry_host}/{name}")).status_code == 401


def test_there_are_no_pull_tokens_for_other_registries(yard):
    access = PullTokens(yard.site, yard.tokens)
    assert access.bearer("docker.io/library/mariadb") is None
    assert access.bearer(f"{yard.site.registry_host}.example.org/lab/web") is None
    assert grant("lab/web", "pull")["actions"] == ["pull"]
