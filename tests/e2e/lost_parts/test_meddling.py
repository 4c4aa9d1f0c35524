"""Somebody meddles with a stack's containers and networks on the engine: what is no longer as it was made is replaced, and it answers."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.platform import docker, eventually
from support.tiny import Stack

COMPOSE = """\
services:
  web:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0
    user: "1000:1000"
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["busybox hostname > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
    tmpfs: ["/www:mode=1777"]
    init: true
    stop_grace_period: 2s
    healthcheck:
      test: ["CMD", "/bin/busybox", "test", "-e", "/www/index.html"]
      interval: 1s
      retries: 2
    x-spin: {http: 8080}
"""

MEDDLING: dict[str, Callable[[str], object]] = {
    "unhealthy": lambda c: docker("exec", c, "/bin/busybox", "rm", "/www/index.html"),
    "paused": lambda c: docker("pause", c),
    "vanished": lambda c: docker("rm", "-f", c),
    "renamed": lambda c: docker("rename", c, f"renamed-{c}"),
    "another-memory-limit": lambda c: docker("update", "--memory", "96m", "--memory-swap", "192m", c),
    "another-restart-policy": lambda c: docker("update", "--restart", "no", c),
}


def containers(stack: Stack) -> list[str]:
    """The ids of all the stack's containers, those that are stopped too."""
    site, name = f"label=spin.site={stack.platform.site_id}", f"label=spin.stack={stack.name}"
    return docker("ps", "-aq", "--filter", site, "--filter", name).split()


@pytest.mark.parametrize("way", MEDDLING)
def test_a_container_that_somebody_meddles_with_is_replaced(stack: Stack, way: str) -> None:
    stack.write(COMPOSE)
    stack.spin("up", "-s", stack.name)
    [before] = containers(stack)
    MEDDLING[way](before)
    eventually(lambda: len(found := containers(stack)) == 1 and found != [before], what="one new container, the old one gone")
    eventually(lambda: stack.get()[0] == 200, what="the new container answers")
    eventually(lambda: stack.platform.json("ps", stack.name)[0]["state"] == "healthy", what="ps says that all is well")


def test_a_network_that_somebody_removes_is_made_again_and_the_stack_answers(stack: Stack) -> None:
    stack.write(COMPOSE)
    stack.spin("up", "-s", stack.name)
    [network] = [n for n in stack.platform.objects()["networks"] if stack.name in n]
    before = docker("network", "inspect", "--format", "{{.Id}}", network)
    deadline = time.monotonic() + 20
    while docker("network", "inspect", "--format", "{{.Id}}", network, check=False) == before:
        for container in containers(stack):  # also those that the platform has connected meanwhile
            docker("network", "disconnect", "-f", network, container, check=False)
        docker("network", "rm", network, check=False)
        assert time.monotonic() < deadline, "the network cannot be removed"
    eventually(lambda: stack.get()[0] == 200, what="the stack answers on a new network")
    after = eventually(lambda: docker("network", "inspect", "--format", "{{.Id}}", network, check=False).strip())
    assert after != before.strip()
    eventually(lambda: len(containers(stack)) == 1, what="the container that was cut off is gone")
