"""`build` and `push`, with the real docker command, a real engine and a real registry."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spin.cli import docker
from spin.cli.docker import build_arguments, signed_in, with_key
from spin.model.submission import Build
from support.fake_api import KEY
from support.platform import eventually, free_ports

COMPOSE = """
services:
  web:
    build:
      context: web
      args: {GREETING: hello}
      labels: {purpose: test}
    image: NAME-web:1
  api:
    build:
      context: .
      dockerfile_inline: |
        FROM scratch
        COPY compose.yaml /
  db:
    image: mariadb:11
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry that lets in maria with her key and nobody else; its host and port."""
    (port,) = free_ports(1)
    hash_it = f"import crypt; print(crypt.crypt({KEY!r}, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))"
    hashed = subprocess.run([sys.executable, "-W", "ignore", "-c", hash_it], capture_output=True, text=True, check=True).stdout
    (tmp_path / "htpasswd").write_text(f"maria:{hashed}")
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}},
    }
    (tmp_path / "registry.json").write_text(json.dumps(config))
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(tmp_path / "registry.json")], stdout=log, stderr=log)
    try:
        eventually(lambda: b"listening" in (tmp_path / "registry.log").read_bytes(), what="the registry's start")
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def name(home: Path) -> Iterator[str]:
    """A name that no other test uses for its images; they are removed at the end."""
    name = f"t{secrets.token_hex(4)}"
    (home / "web").mkdir()
    (home / "web" / "Dockerfile").write_text("FROM scratch\nARG GREETING\nLABEL greeting=$GREETING\nCOPY Dockerfile /\n")
    (home / "compose.yaml").write_text(f"name: {name}\n" + COMPOSE.replace("NAME", name))
    program = shutil.which("docker")  # a test may take it off PATH
    assert program
    yield name
    listed = subprocess.run(
        [program, "images", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=True
    )
    mine = [image for image in listed.stdout.split() if f"/{name}-" in image]
    if mine:
        subprocess.run([program, "rmi", *mine], capture_output=True, check=True)


def test_build_makes_the_images_and_push_ships_exactly_those(registry, name, api, home, spin, monkeypatch, tmp_path) -> None:
    api.answers["GET", "/site"] = {"registry": registry, "environments": [{"name": "development", "description": ""}]}
    own = tmp_path / "docker"
    own.mkdir()
    (own / "config.json").write_text('{"credsStore": "not-installed-here"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    images = [f"{registry}/demo/{name}-api:latest", f"{registry}/demo/{name}-web:1"]

    early = spin("push")
    assert (early.status, early.out) == (5, "")
    assert "Not built here yet: api, web. Run `spin build` first." in early.err

    built = spin("build")
    assert built.status == 0, built.err
    assert built.out.split() == images
    labels = docker.inspect_image(images[1])["Config"]["Labels"]
    assert labels == {"greeting": "hello", "purpose": "test"}

    pushed = spin("push")
    assert pushed.status == 0, pushed.err
    assert [line.partition("@sha256:")[0] for line in pushed.out.split()] == images
    assert all(len(line.partition("@sha256:")[2]) == 64 for line in pushed.out.split())
    shipped = tmp_path / "registry" / "docker" / "registry" / "v2" / "repositories" / "demo"
    assert sorted(p.name for p in shipped.iterdir()) == [f"{name}-api", f"{name}-web"]
    assert KEY not in pushed.out + pushed.err
    assert (own / "config.json").read_text() == '{"credsStore": "not-installed-here"}'

    assert spin("push", "web").out.split() == [line for line in pushed.out.split() if "-web" in line]


def test_only_services_that_are_built_can_be_named(name, spin) -> None:
    done = spin("build", "db")
    assert (done.status, done.out) == (2, "")
    assert "Services with `build:` are: api, web." in done.err


def test_a_build_that_fails_ends_with_docker_s_reason_above(name, home, spin) -> None:
    (home / "web" / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    done = spin("build", "web")
    assert (done.status, done.out) == (1, "")
    assert "Building web failed" in done.err


def test_without_docker_it_says_so_in_a_sentence(name, spin, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = spin("build")
    assert done.status == 1
    assert "There is no `docker` command here." in done.err


def test_a_file_without_builds_builds_nothing(home, spin) -> None:
    (home / "compose.yaml").write_text("services: {db: {image: 'mariadb:11'}}\n")
    done = spin("build")
    assert (done.status, done.out) == (0, "")
    assert "nothing to do" in done.err


def test_paths_are_given_to_docker_as_compose_means_them(tmp_path: Path) -> None:
    build = Build("web", "r/demo/web:1", "web", dockerfile="../Dockerfile.web", args=(("A", "1"), ("B", None)), target="run")
    assert build_arguments(build, tmp_path) == [
        *["build", "--tag", "r/demo/web:1", "--file", f"{tmp_path}/web/../Dockerfile.web"],
        *["--build-arg", "A=1", "--build-arg", "B", "--target", "run", f"{tmp_path}/web"],
    ]
    remote = Build("web", "x", "https://example.org/web.git#main", dockerfile="Dockerfile.web", no_cache=True, pull=True)
    assert build_arguments(remote, tmp_path)[3:] == [
        *["--file", "Dockerfile.web", "--no-cache", "--pull", "https://example.org/web.git#main"]
    ]


def test_the_key_joins_the_users_own_docker_configuration_for_one_registry_only() -> None:
    own = {"credsStore": "desktop", "auths": {"a": {"auth": "x"}}, "credHelpers": {"b": "pass"}, "currentContext": "far"}
    assert with_key(own, "localhost:5000", "maria", "k") == {
        "credsStore": "desktop",
        "currentContext": "far",
        "auths": {"a": {"auth": "x"}, "localhost:5000": {"auth": "bWFyaWE6aw=="}},
        "credHelpers": {"b": "pass", "localhost:5000": ""},
    }


def test_docker_is_signed_in_in_a_directory_of_its_own_that_goes_away(tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "own"
    (own / "cli-plugins").mkdir(parents=True)
    (own / "config.json").write_text('{"currentContext": "far"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    with signed_in("localhost:5000", "maria", "k") as environment:
        folder = Path(environment["DOCKER_CONFIG"])
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
        assert json.loads((folder / "config.json").read_text())["currentContext"] == "far"
        assert (folder / "cli-plugins").readlink() == own / "cli-plugins"
    assert not folder.exists()
    assert (own / "cli-plugins").is_dir()
    assert os.environ["DOCKER_CONFIG"] == str(own)
