"""The asynchronous client, against a whole control plane: the same answers, errors and ways of following as the synchronous one."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from spin.client import AsyncClient, AsyncStack, Client
from spin.client.streams import Finished
from spin.errors import Conflict, Failed, NotAllowed, NotFound, NotSignedIn, Refused, Unavailable
from spin.model.streams import STDOUT
from support.api import eventually, submission, web
from support.fake_api import KEY, FakeApi
from support.served_api import Served, served_api


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_api(tmp_path_factory.mktemp("async")) as one:
        yield one


@pytest.fixture
async def dora(served: Served) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.url, served.keys["dora"]) as one:
        yield one


async def test_it_answers_what_the_synchronous_one_does(served: Served, dora: AsyncClient) -> None:
    with Client(served.url, served.keys["dora"]) as other:
        assert await dora.site() == other.site()
        assert await dora.whoami() == other.whoami()
        assert await dora.rules() == other.rules()
        assert await dora.members("lab") == other.members("lab")


async def test_a_stack_is_deployed_and_followed_until_it_is_healthy_and_until_it_is_gone(dora: AsyncClient) -> None:
    stack = dora.stack("lab", "development", "followed")
    accepted = await stack.deploy(submission())
    assert (accepted["generation"], accepted["stack"]) == (1, "followed")
    async for view in stack.watch():
        if view["settled"] and view["generation"] == 1:
            break
    assert view["state"] == "healthy"
    assert [line["text"] async for line in stack.logs()] == ["started", "ready"]
    assert "followed" in [s["stack"] for s in await dora.stacks("lab", "development")]
    with pytest.raises(Conflict):
        await stack.deploy(submission(), expect_generation=7)
    with pytest.raises(Refused) as refused:
        await stack.deploy(submission({"web": web(privileged=True)}))
    assert refused.value.fields["findings"]
    await stack.remove()
    with pytest.raises(NotFound):
        _ = [view async for view in stack.watch()]


async def test_one_client_serves_many_tasks_at_once(dora: AsyncClient) -> None:
    answers = await asyncio.gather(*(dora.whoami() for _ in range(20)))
    assert [a["user"] for a in answers] == ["dora"] * 20


async def test_events_are_followed_while_others_ask(dora: AsyncClient) -> None:
    [*_, last] = [0, *(e["number"] for e in await dora.events("lab"))]
    async with aclosing(dora.follow_events("lab", last)) as following:
        waiting = asyncio.ensure_future(anext(following))
        await dora.put_secret("lab", "development", "followed", b"value")
        [event] = await waiting
    assert (event["actor"], event["project"]) == ("dora", "lab")


@pytest.fixture
async def shop(dora: AsyncClient) -> AsyncStack:
    stack = dora.stack("lab", "development", "streams")
    await stack.deploy(submission())
    async for view in stack.watch():
        if view["settled"]:
            break
    return stack


async def test_a_command_has_input_output_errors_and_a_status(shop: AsyncStack) -> None:
    async with await shop.exec(service="web") as stream:
        ready = await stream.begin(command=["cat"], stdin=True)
        assert (ready.container, ready.others) == ("streams-web-1", 0)
        assert await stream.communicate(b"in and out") == Finished(0, b"in and out", b"")
    async with await shop.run("web") as stream:
        await stream.begin(command=["nosuch"])
        assert await stream.communicate() == Finished(127, b"", b"nosuch: not found\n")
    key = shop._transport._headers["Authorization"].split()[1]
    with Client(shop._transport.url, key) as other, other.stack("lab", "development", "streams").exec() as same:
        same.begin(command=["cat"], stdin=True)
        assert same.communicate(b"in and out") == Finished(0, b"in and out", b"")


async def test_a_stream_is_carried_from_any_source_to_any_sink_and_no_faster_than_that_takes(shop: AsyncStack) -> None:
    sent, taken = 0, 0
    slow = asyncio.Event()

    async def source() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        for number in range(64):
            yield bytes([number]) * 300_000
            sent += 300_000

    async def sink(piece: bytes) -> None:
        nonlocal taken
        await slow.wait()
        taken += len(piece)

    async with await shop.exec() as stream:
        await stream.begin(command=["cat"], stdin=True)
        carrying = asyncio.create_task(stream.carry(source(), {STDOUT: sink}))
        await eventually("the windows are full", lambda: sent >= 2 * 1024 * 1024)
        await shop.view()  # once there and back: what could come has come
        assert sent < 10 * 1024 * 1024, "windows, and what waits in the program"
        slow.set()
        assert await carrying == 0
    assert taken == 64 * 300_000


async def test_what_fails_in_a_stream_is_an_error_of_the_tree_or_ones_own(served: Served, shop: AsyncStack) -> None:
    with pytest.raises(NotFound):
        await shop.exec(service="nope")
    async with AsyncClient(served.url, served.keys["vera"]) as vera:
        with pytest.raises(NotAllowed):
            await vera.stack("lab", "development", "streams").exec()
    async with AsyncClient(served.url, "spin_wrong_key") as nobody:
        with pytest.raises(NotSignedIn):
            await nobody.stack("lab", "development", "streams").exec()
    async with await shop.forward(9) as stream:
        with pytest.raises(Failed, match="Nothing answers on port 9"):
            await stream.begin()

    async def full(_piece: bytes) -> None:
        raise OSError("No space left")

    async with await shop.exec() as stream:
        await stream.begin(command=["echo", "hello"])
        with pytest.raises(OSError, match="No space left"):
            await stream.carry(None, {STDOUT: full})
    async with await shop.exec() as stream:
        await stream.begin(command=["sleep"])
        await stream.close()
        with pytest.raises(Unavailable, match="broke off"):
            await stream.communicate()


async def test_where_no_platform_answers_a_stream_says_so() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable, match="No Spin platform answers"):
            await client.stack("lab", "development", "shop").exec()


async def test_files_go_in_and_come_out_as_a_tar_stream(shop: AsyncStack) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("note")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    async with await shop.write_files("/tmp") as stream:
        await stream.begin()
        assert (await stream.communicate(packed.getvalue())).status == 0
    assert (await shop.file("/tmp/note"))["size"] == 5
    async with await shop.read_files("/tmp/note") as stream:
        await stream.begin()
        done = await stream.communicate()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert tar.getnames() == ["note"]


async def test_a_port_is_reached(served: Served, shop: AsyncStack) -> None:
    served.engine.answering.add(7000)
    async with await shop.forward(7000, service="web") as stream:
        await stream.begin()
        assert (await stream.communicate(b"over there")).stdout == b"over there"


async def test_logs_are_fed_as_bytes(shop: AsyncStack) -> None:
    async with aclosing(shop.log_feed(service="web").blocks()) as blocks:
        texts = [line[31:] async for block in blocks for line in block.lines.splitlines()]
    assert texts == [b"started", b"ready"]


async def test_failures_are_the_same_errors(served: Served, dora: AsyncClient) -> None:
    with pytest.raises(NotFound):
        await dora.members("other")
    with pytest.raises(NotAllowed):
        await dora.users()
    async with AsyncClient(served.url, "spin_nonsense") as stranger:
        with pytest.raises(NotSignedIn):
            await stranger.whoami()
        with pytest.raises(NotSignedIn):
            _ = [line async for line in stranger.stack("lab", "development", "x").logs()]


async def test_where_no_platform_answers_it_says_so() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unavailable, match="No Spin platform answers") as failed:
            await client.site()
    assert "refused" in failed.value.fields["reason"] or "failed" in failed.value.fields["reason"]


async def test_a_get_is_tried_once_more_when_a_kept_connection_breaks_and_a_change_never(api: FakeApi) -> None:
    async with AsyncClient(api.url, KEY) as client:
        await client.site()
        api.drop_next = 1
        assert (await client.site())["registry"] == "localhost:5999"
        api.drop_next = 1
        with pytest.raises(Unavailable):
            await client.create_project("x")
    assert api.methods() == []


async def test_what_is_no_platform_is_told_from_one(api: FakeApi) -> None:
    api.answers["GET", "/site"] = b"<html>"
    async with AsyncClient(api.url, KEY) as client:
        with pytest.raises(Unavailable, match="does not answer now"):
            await client.site()


def test_the_command_line_does_not_import_it(tmp_path: Path) -> None:
    code = "import sys, spin.client, spin.cli.session; print([m for m in ('httpx', 'spin.client.aio', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
