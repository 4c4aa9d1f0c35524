"""A stack that mounts a directory of a shared filesystem: refused with the `chmod` to type, mended, and then run as its account."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.platform import RunningPlatform, docker, running_platform
from support.tiny import Stack, prepare

COMPOSE = """
services:
  web:
    image: ${{SPIN_REGISTRY}}/${{SPIN_PROJECT}}/tiny:1.0
    user: "{user}"
    command: ["sleep", "1000000"]
    init: true
    volumes: ["{path}:/data{mode}"]
"""


@pytest.fixture(scope="module")
def cfs() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="spin-cfs-") as folder:
        root = Path(folder)
        (root / "physics/data").mkdir(parents=True)
        (root / "physics/data/numbers").write_text("1 2 3\n")
        for place, mode in ((root, 0o755), (root / "physics", 0o740), (root / "physics/data", 0o750)):
            place.chmod(mode)
        os.chown(root / "physics/data", 46311, 75137)
        yield root


@pytest.fixture(scope="module")
def site(cfs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    config = f'[[filesystems]]\nname = "cfs"\npath = "{cfs}"\n'
    with running_platform(tmp_path_factory.mktemp("platform"), config=config) as platform:
        folder = tmp_path_factory.mktemp("tiny")
        prepare(folder)
        Stack(platform, folder, "tiny").ship()
        yield platform


def test_a_directory_is_mounted_once_its_account_and_the_engine_can_pass(
    site: RunningPlatform, cfs: Path, tmp_path: Path
) -> None:
    stack = Stack(site, tmp_path, f"s{secrets.token_hex(3)}")
    up = ("up", "--stack", stack.name)
    stack.write(COMPOSE.format(user="46311:75137", path=cfs / "physics/data", mode=":ro"))

    nobody = stack.spin(*up, check=False)
    assert nobody.returncode == 3
    assert "filesystem-user" in nobody.stderr
    assert "spin project account set" in nobody.stderr
    site.spin("project", "account", "set", "gateway", "--uid", "46311", "--gid", "75137")

    closed = stack.spin(*up, check=False)
    assert closed.returncode == 3
    assert f"chmod o+x {cfs}/physics" in closed.stderr.replace("\n", " ")
    (cfs / "physics").chmod(0o741)

    stack.spin(*up)
    (container,) = containers(site)
    assert docker("exec", container, "/bin/busybox", "cat", "/data/numbers") == "1 2 3\n"
    assert "46311" in docker("exec", container, "/bin/busybox", "id", "-u")
    docker("exec", container, "/bin/busybox", "touch", "/data/new", check=False)
    assert not (cfs / "physics/data/new").exists()

    stack.write(COMPOSE.format(user="46311:75137", path=cfs / "physics/data", mode=""))
    written = stack.spin(*up)
    assert "filesystem-write" in written.stdout + written.stderr
    docker("exec", containers(site)[0], "/bin/busybox", "touch", "/data/new")
    assert (cfs / "physics/data/new").stat().st_uid == 46311


def containers(site: RunningPlatform) -> list[str]:
    return docker("ps", "--quiet", "--filter", f"label=spin.site={site.site_id}", "--filter", "label=spin.kind=container").split()
