"""The asynchronous client, against a whole control plane: the same answers, errors and ways of following as the synchronous one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from spin.client import AsyncClient, Client
from spin.errors import Conflict, NotAllowed, NotFound, NotSignedIn, Refused, Unavailable
from support.api import submission, web
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
