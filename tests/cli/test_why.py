"""`spin why`: the sentence on top, then the time-line, in the time of the clock on the wall."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_api import FakeApi

WHY = "/projects/demo/environments/development/stacks/shop/why"


def entry(time: str, source: str, text: str, **more: Any) -> dict[str, Any]:
    base = {"service": None, "container": None, "cause": "", "actor": "", "revision": None}
    return {"time": time, "source": source, "text": text, **base, **more}


CHANGE = entry("2030-05-01T12:03:00+00:00", "revision", "web: image web:1 -> web:2", actor="maria", revision=7)
LOG = entry("2030-05-01T12:04:00+00:00", "log", "boom \x1b[2J", container="shop-web-1")
FOUND: dict[str, Any] = {
    "sentence": "web is unhealthy since 12:04 UTC (3 min); revision 7 (maria, 12:03 UTC: …) came just before.",
    "well": False,
    "state": "unhealthy",
    "since": "2030-05-01T12:04:00+00:00",
    "change": CHANGE,
    "timeline": [CHANGE, LOG],
}


@pytest.fixture
def shop(api: FakeApi) -> FakeApi:
    api.answers["GET", WHY] = FOUND
    return api


def test_the_sentence_and_the_time_line(shop: FakeApi, spin, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    done = spin("why", "shop/web")
    assert done.status == 0
    sentence, empty, first, second = done.out.splitlines()
    assert sentence == "web is unhealthy since 12:04 (3 min); revision 7 (maria, 12:03: …) came just before."
    assert empty == ""
    assert first.split("  ", 1)[1] == "revision   maria: revision 7: web: image web:1 -> web:2"
    assert second.split("  ", 1)[1] == "log        shop-web-1: boom "
    assert shop.seen[-1].query == {"service": "web", "last": "30"}


def test_json_and_bounds(shop: FakeApi, spin) -> None:
    assert json.loads(spin("why", "shop", "--json", "-n", "2", "--since", "1h").out) == FOUND
    assert shop.seen[-1].query["last"] == "2"
    assert "since" in shop.seen[-1].query
    assert "newest 2" in spin("why", "shop", "-n", "2").err
    assert spin("why", "shop/web/1").status == 2
