"""More stacks than Docker's default address pools have networks for (they end at 31)."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.platform import RunningPlatform, docker

STACKS = 60

COMPOSE = """\
services:
  app:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0
    command: ["sleep", "100000"]
    stop_signal: SIGKILL
    deploy: {resources: {limits: {memory: 16m}}}
"""


def test_sixty_stacks_each_have_a_network_of_their_own(platform: RunningPlatform, shipped: str, tmp_path: Path) -> None:
    assert shipped
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    mark = secrets.token_hex(3)
    names = [f"m{mark}-{n}" for n in range(STACKS)]
    with ThreadPoolExecutor(4) as pool:
        try:
            list(pool.map(lambda name: platform.spin("up", "-s", name, cwd=tmp_path), names))
            states = {s["stack"]: s["state"] for s in platform.json("stack", "ls") if s["stack"] in names}
            assert states == dict.fromkeys(names, "healthy")
            networks = [n for n in platform.objects()["networks"] if mark in n]
            subnets = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", *networks).split()
            assert len(set(subnets)) == STACKS
        finally:
            list(pool.map(lambda name: platform.spin("rm", name, "--volumes", "--yes", check=False), names))
    assert not [n for n in platform.objects()["networks"] if mark in n]
