"""What visitors meet at the edge."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress

import pytest

from spin.model.observed import Route
from support.backends import Backend

WEB = "web.shop.development.spin.localhost"
OWNER = "physics/development/shop"


def to(*backends: Backend, host: str = WEB) -> Route:
    return Route(host, OWNER, tuple(sorted(b.target for b in backends)))


async def test_a_host_leads_to_its_containers(front):
    async with Backend("shop") as shop, Backend("wiki") as wiki:
        await front.edge.set_routes(OWNER, (to(shop), to(wiki, host="wiki.example.org")))
        assert await front.name(WEB) == "shop"
        assert await front.name(WEB.upper()) == "shop"
        assert await front.name(f"{WEB}:{front.port}") == "shop"
        assert await front.name("wiki.example.org") == "wiki"


async def test_any_of_many_hosts_is_found(front):
    async with Backend("one") as one, Backend("other") as other:
        await front.edge.set_routes(
            OWNER, tuple(to(other if n == 137 else one, host=f"h{n:03d}.example.org") for n in range(300))
        )
        for number in (0, 136, 137, 138, 299):
            assert await front.name(f"h{number:03d}.example.org") == ("other" if number == 137 else "one")
        assert (await front.get("h300.example.org")).status_code == 404


@pytest.mark.parametrize("host", ["localhost", "nobody.spin.localhost", "127.0.0.1", "[::1]", "*"])
async def test_an_unknown_host_gets_a_small_plain_page(front, host):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        answer = await front.get(host)
    assert (answer.status_code, answer.text) == (404, "There is no such stack here.\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("host", ["", "{env.HOME}", "a b", "a/b"])
async def test_what_is_no_host_is_a_bad_request(front, host):
    assert (await front.get(host)).status_code == 400


async def test_a_known_host_without_containers_asks_to_come_back(front):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, ()),))
    answer = await front.get(WEB)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.text == f"{WEB} is known here, but no container of it is ready. Try again in a few seconds.\n"


async def test_a_host_that_is_about_to_have_a_container_lets_visitors_wait_for_it(front):
    async with Backend("new") as backend:
        await front.edge.set_routes(OWNER, (Route(WEB, OWNER, (), hold=True),))
        assert await front.edge.routes(OWNER) == (Route(WEB, OWNER, (), hold=True),)
        visitor = asyncio.create_task(front.get(WEB))
        await asyncio.sleep(0.5)
        assert not visitor.done()
        await front.edge.set_routes(OWNER, (to(backend),))
        assert (await visitor).status_code == 200


async def test_who_has_waited_in_vain_is_told_so(front):
    await front.edge.set_routes(OWNER, (Route(WEB, OWNER, (), hold=True),))
    answer = await front.get(WEB)
    assert answer.status_code == 502
    assert answer.headers["retry-after"] == "5"


async def test_three_containers_share_the_requests(front):
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(f"api-{n}")) for n in (1, 2, 3)]
        await front.edge.set_routes(OWNER, (to(*backends),))
        shares = Counter([await front.name(WEB) for _ in range(300)])
        assert shares.keys() == {"api-1", "api-2", "api-3"}
        assert min(shares.values()) > 50  # by chance 100 each; less than 51 once in ten thousand million times


async def test_a_container_that_is_gone_costs_no_visitor_anything(front):
    async with Backend("one") as one, Backend("two") as two:
        await front.edge.set_routes(OWNER, (to(one, two),))
        await two.close()
        assert [await front.name(WEB) for _ in range(10)] == ["one"] * 10


async def test_a_container_that_restarts_is_waited_for(front):
    async with Backend("one") as one:
        await front.edge.set_routes(OWNER, (to(one),))
        await one.close()
        visit = asyncio.create_task(front.name(WEB))
        await asyncio.sleep(0.3)  # the time that the container takes to come back
        await one.open(one.port)
        assert await visit == "one"


async def test_a_service_that_does_not_answer_is_reported_as_such(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
    before = time.monotonic()
    answer = await front.get(WEB)
    assert (answer.status_code, answer.headers["retry-after"]) == (502, "5")
    assert answer.text == "The service behind this name does not answer. Try again in a few seconds.\n"
    assert 4 < time.monotonic() - before < 8


async def test_the_container_learns_who_the_visitor_is_from_the_edge_alone(front):
    false = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "bank.example.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Forwarded-User": "root",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
    }
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        answer = await front.get(WEB, headers=false)
    seen = {name.lower(): value for name, value in answer.json()["headers"]}
    told = {name: value for name, value in seen.items() if "forwarded" in name or name == "x-real-ip"}
    assert told == {"x-forwarded-for": "127.0.0.1", "x-forwarded-host": WEB, "x-forwarded-proto": "http"}
    assert seen["host"] == WEB


async def test_no_header_tells_which_programs_answer(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        for host, path in ((WEB, "/"), (WEB, "/server"), ("nobody.example.org", "/")):
            answer = await front.get(host, path)
            assert not {"server", "via"} & set(answer.headers)


async def test_a_stream_is_passed_on_line_by_line_and_ends_when_the_visitor_leaves(front):
    async with Backend() as backend:
        await front.edge.set_routes(OWNER, (to(backend),))
        url = f"http://127.0.0.1:{front.port}/stream"
        async with front.visitors.stream("GET", url, headers={"Host": WEB}) as answer:
            lines = answer.aiter_lines()
            for line in (b"one\n", b"two\n"):
                backend.lines.put_nowait(line)
                assert await asyncio.wait_for(anext(lines), 5) == line.decode().strip()
        await asyncio.wait_for(backend.gone.wait(), 5)


async def test_a_visitor_who_says_nothing_does_not_keep_the_edge_from_stopping(front):
    _, writer = await asyncio.open_connection("127.0.0.1", front.port)
    before = time.monotonic()
    await front.supervisor.stop()
    assert time.monotonic() - before < front.supervisor.child.grace + 2
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
