"""Answers with status 5xx are counted by owner and host, of a real proxy; the others leave no trace."""

from __future__ import annotations

import json
from pathlib import Path

from spin.edge.visits import FILE, Failures
from spin.model.observed import Route

SHOP = "physics/development/shop"
HOST = "web.shop.development.spin.localhost"


async def test_what_fails_is_counted_once_and_nothing_tells_of_the_visitor(front) -> None:
    await front.edge.set_routes(SHOP, (Route(HOST, SHOP, ()),))
    assert await front.edge.failures() == {}
    for _ in range(3):
        assert (await front.get(HOST, "/secret?token=1", headers={"Cookie": "a=b"})).status_code == 503
    assert (await front.get("nobody.spin.localhost")).status_code == 404
    assert await front.edge.failures() == {(SHOP, HOST): 3}
    assert await front.edge.failures() == {}
    text = (front.directory / FILE).read_text()
    assert len(text.splitlines()) == 3
    assert not any(word in text for word in ("secret", "token", "Cookie", "127.0.0.1", "nobody"))


def line(host: str) -> bytes:
    return json.dumps({"request": {"host": host}, "status": 500}).encode() + b"\n"


def test_reading_goes_on_where_it_stopped_also_over_a_file_that_is_put_aside(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(line("before"))
    failures = Failures(tmp_path)
    assert failures.read() == {}
    with file.open("ab") as log:
        log.write(line("A.test:8080") + b"no json\n" + line("b.test")[:9])
    assert failures.read() == {"a.test": 1}
    with file.open("ab") as log:
        log.write(line("b.test")[9:])
    file.rename(tmp_path / "aside.log")
    file.write_bytes(line("a.test") * 2)
    assert failures.read() == {"b.test": 1, "a.test": 2}
    assert failures.read() == {}
    failures.close()


def test_a_file_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    assert failures.read() == {}
    (tmp_path / FILE).write_bytes(line("a.test"))
    assert failures.read() == {"a.test": 1}
    failures.close()
