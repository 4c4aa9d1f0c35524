"""A stack with an internal network beside another: each service is called at an address that stays."""

from __future__ import annotations

import asyncio
import json

import pytest

from spin.addresses import unusable
from spin.site import Site
from support.platform import docker

COMPOSE = """
services:
  web:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0
    command: ["sleep", "1000000"]
    init: true
    networks: [front, back]
  api:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["busybox hostname > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
    tmpfs: ["/www:mode=1777"]
    init: true
    x-spin: {http: 8080}
    environment: {GREETING: "${GREETING:-hello}"}
    networks: [back]
  proxy:
    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["busybox hostname > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
    tmpfs: ["/www:mode=1777"]
    init: true
    x-spin: {http: 8080}
    networks: [front]
networks:
  front: {}
  back: {internal: true}
"""


@pytest.mark.skipif(bool(asyncio.run(unusable(Site(id="t-front-back")))), reason="no service addresses here")
def test_services_of_two_networks_are_called_at_addresses_that_stay_through_an_upgrade(stack) -> None:
    stack.write(COMPOSE)
    stack.spin("up")
    (web,) = ids(stack)["web"]
    before = ids(stack)

    def told() -> dict[str, str]:
        lines = [line.split() for line in docker("exec", web, "/bin/busybox", "cat", "/etc/hosts").splitlines()]
        return {line[1]: line[0] for line in lines if line[1] in ("api", "proxy")}

    def answer(address: str) -> str:
        return docker("exec", web, "/bin/busybox", "wget", "-O-", f"http://{address}:8080/").strip()

    addresses = told()
    assert answer(addresses["api"]) == f"{stack.name}-api-1"
    assert answer(addresses["proxy"]) == f"{stack.name}-proxy-1"
    stack.spin("up", env={"GREETING": "goodbye"})
    after = ids(stack)
    assert after["api"] != before["api"]
    assert (after["web"], told()) == (before["web"], addresses)
    assert answer(addresses["api"]) == f"{stack.name}-api-1"


def ids(stack) -> dict[str, list[str]]:
    """Engine ids of the running containers by service."""
    found: dict[str, list[str]] = {}
    for container in json.loads(stack.spin("inspect", stack.name).stdout)["containers"]:
        if container["phase"] == "ready":
            found.setdefault(container["service"], []).append(container["id"])
    return found
