"""Images come from registries by digest."""

from __future__ import annotations

import asyncio
import socket

import pytest

from spin.errors import Failed
from spin.model.steps import PullImage
from support.docker import LocalRegistry, TokenKey, build_image
from support.engines import Bench
from support.platform import docker


def push_unique(bench: Bench, registry: LocalRegistry, name: str) -> str:
    """Push an image that no other test has; it is not on the engine afterwards."""
    local = build_image(f"spin-test/{bench.site.id}:1", f"FROM {bench.image.pinned}\nLABEL unique={bench.site.id}\n")
    try:
        pinned = registry.push(local, f"{name}:1")
        docker("rmi", f"{registry.host}/{name}:1")  # its digest goes with its last tag
    finally:
        docker("rmi", local)
    return pinned


async def test_an_image_is_pulled_and_then_seen(docker_bench: Bench, registry: LocalRegistry) -> None:
    pinned = push_unique(docker_bench, registry, f"test/{docker_bench.site.id}")
    listener = asyncio.create_task(anext(docker_bench.engine.hints()))  # while it listens, what is there is remembered
    try:
        assert pinned not in (await docker_bench.engine.observe(docker_bench.key)).images
        await docker_bench.engine.execute(docker_bench.key, PullImage(pinned, "test"))
        assert pinned in (await docker_bench.engine.observe(docker_bench.key)).images
        docker("rmi", pinned)
        await docker_bench.until_seen(lambda s: pinned not in s.images)
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def test_a_registry_that_asks_for_a_token_gets_one(docker_bench: Bench, registry: LocalRegistry) -> None:
    key = TokenKey.new()
    name = f"test/{docker_bench.site.id}"
    pinned = push_unique(docker_bench, registry, name)
    with LocalRegistry(key, storage=registry) as guarded:
        wanted = PullImage(pinned.replace(registry.host, guarded.host), "test")
        with pytest.raises(Failed, match="cannot be pulled"):
            await docker_bench.engine.execute(docker_bench.key, wanted)
        docker_bench.access.tokens[f"{guarded.host}/{name}"] = key.token("somebody/else", "pull")
        with pytest.raises(Failed, match="does not let Spin pull"):
            await docker_bench.engine.execute(docker_bench.key, wanted)
        docker_bench.access.tokens[f"{guarded.host}/{name}"] = key.token(name, "pull")
        await docker_bench.engine.execute(docker_bench.key, wanted)
        assert wanted.pinned in (await docker_bench.engine.observe(docker_bench.key)).images


async def test_an_image_that_no_registry_has_is_named(docker_bench: Bench, registry: LocalRegistry) -> None:
    pinned = f"{registry.host}/test/nothing@sha256:{'0' * 64}"
    with pytest.raises(Failed, match="There is no image") as caught:
        await docker_bench.engine.execute(docker_bench.key, PullImage(pinned, "test"))
    assert pinned in caught.value.message


async def test_a_registry_that_does_not_answer_is_named(docker_bench: Bench) -> None:
    with pytest.raises(Failed, match="The registry localhost:1 does not answer"):
        await docker_bench.engine.execute(docker_bench.key, PullImage(f"localhost:1/test/x@sha256:{'0' * 64}", "test"))


async def test_a_pull_in_which_nothing_moves_fails(docker_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spin.engines.docker.images.SILENCE", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        pinned = f"localhost:{silent.getsockname()[1]}/test/x@sha256:{'0' * 64}"
        with pytest.raises(Failed, match=r"cannot be pulled: Nothing has arrived for 1 s\."):
            await docker_bench.engine.execute(docker_bench.key, PullImage(pinned, "test"))
