"""Streams to real containers with the asynchronous client."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from spin.client import AsyncClient, AsyncStack
from spin.client.streams import Finished
from spin.model.streams import STDERR, STDOUT, Size
from support.platform import RunningPlatform, docker, eventually
from support.tiny import Stack

MIB = 1024 * 1024
COMPOSE = """\
services:
  app:
    image: {image}
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["exec busybox nc -ll -p 7000 -e cat"]
    init: true
    environment: {{GREETING: salve}}
"""


@pytest.fixture
def up(stack: Stack, shipped: str) -> Stack:
    stack.write(COMPOSE.format(image=shipped))
    stack.spin("up", "--timeout", "60")
    return stack


@pytest.fixture
async def shop(up: Stack, platform: RunningPlatform) -> AsyncIterator[AsyncStack]:
    async with AsyncClient(platform.url, platform.key) as client:
        yield client.stack("demo", "development", up.name)


async def test_a_command_gets_and_gives_what_it_should(shop: AsyncStack) -> None:
    async with await shop.exec(service="app") as stream:
        script = "busybox cat; echo $GREETING $A >&2; exit 7"
        await stream.begin(command=["sh", "-c", script], stdin=True, environment={"A": "b"})
        assert await stream.communicate(b"in") == Finished(7, b"in", b"salve b\n")
    async with await shop.run("app") as stream:
        await stream.begin(command=["echo $GREETING"])
        done = await stream.communicate()
    assert (done.status, done.stdout) == (0, b"salve\n"), done


async def test_much_goes_in_and_comes_out_whole(shop: AsyncStack) -> None:
    sent, got = hashlib.sha256(), hashlib.sha256()
    size = 0

    async def source() -> AsyncGenerator[bytes, None]:
        for number in range(128):
            piece = hashlib.sha256(bytes([number])).digest() * (MIB // 32)
            sent.update(piece)
            yield piece

    async def sink(piece: bytes) -> None:
        nonlocal size
        got.update(piece)
        size += len(piece)

    async with await shop.exec() as stream:
        await stream.begin(command=["busybox", "cat"], stdin=True)
        assert await stream.carry(source(), {STDOUT: sink, STDERR: sink}) == 0
    assert (size, got.hexdigest()) == (128 * MIB, sent.hexdigest())


async def test_a_terminal_has_a_size_that_can_change(shop: AsyncStack) -> None:
    keys, shown = asyncio.StreamReader(), bytearray()
    news = asyncio.Event()

    async def screen(piece: bytes) -> None:
        shown.extend(piece)
        news.set()

    async def asked_until(text: bytes) -> None:
        async with asyncio.timeout(30):
            while text not in shown:
                news.clear()
                keys.feed_data(b"a\n")
                await news.wait()

    async with await shop.exec() as stream:
        script = "while read key; do busybox stty size; [ $key = q ] && exit 9; done"
        await stream.begin(command=["sh", "-c", script], stdin=True, tty=True, size={"rows": 30, "columns": 101})
        carrying = asyncio.create_task(stream.carry(keys, {STDOUT: screen}))
        await asked_until(b"30 101")
        await stream.resize(Size(41, 133))
        await asked_until(b"41 133")
        keys.feed_data(b"q\n")
        assert await carrying == 9


async def test_whoever_leaves_ends_the_command(shop: AsyncStack, up: Stack) -> None:
    [container] = docker("ps", "-q", "--filter", f"label=spin.stack={up.name}", "--filter", "label=spin.kind=container").split()
    async with await shop.exec() as stream:
        await stream.begin(command=["busybox", "sleep", "5017"])
        carrying = asyncio.create_task(stream.communicate())
        await asyncio.to_thread(eventually, lambda: "sleep 5017" in docker("top", container))
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
    await asyncio.to_thread(eventually, lambda: "sleep 5017" not in docker("top", container))


async def test_files_and_ports(shop: AsyncStack) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("note")
        member.size = 3 * MIB
        tar.addfile(member, io.BytesIO(bytes(3 * MIB)))
    async with await shop.write_files("/") as stream:
        await stream.begin()
        assert (await stream.communicate(packed.getvalue())).status == 0
    async with await shop.read_files("/note") as stream:
        await stream.begin()
        done = await stream.communicate()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        [back] = tar.getmembers()
    assert (back.name, back.size, (await shop.file("/note"))["size"]) == ("note", 3 * MIB, 3 * MIB)
    async with await shop.forward(7000) as stream:
        await stream.begin()
        assert (await stream.communicate(b"over there")).stdout == b"over there"
