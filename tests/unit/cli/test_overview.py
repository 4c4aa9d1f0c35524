"""The rows of `spin top`: one a stack, sorted and filtered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spin.cli.overview import Row, ago, cells, matches, ordered, rows

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


def event(text: str, time: str = "2030-05-01T11:00:00+00:00", **more: Any) -> Any:
    return {"text": text, "time": time, "kind": "step", "service": "web", "stack": "shop", "environment": "development", **more}


def row(stack: str = "shop", **more: Any) -> Row:
    values: dict[str, Any] = {"state": "healthy", "ready": 1, "wanted": 1, "cpu": None, "memory": 0, "restarts": 0}
    return Row("lab", "development", stack, **values | {"since": NOW - timedelta(minutes=5), "event": ""} | more)


def test_a_row_adds_up_services_and_containers_and_has_the_last_event() -> None:
    view: Any = {
        "stack": "shop",
        "state": "degraded",
        "detail": "web: crashed",
        "changed": "2030-05-01T08:00:00+00:00",
        "services": [{"ready": 1, "wanted": 2}, {"ready": 3, "wanted": 3}],
        "containers": [{"restarts": 4, "current": True}, {"restarts": 2, "current": True}, {"restarts": 9, "current": False}],
    }
    used: Any = [{"stack": "shop", "cpu": 0.5, "memory": 10}, {"stack": "shop", "cpu": None, "memory": 5}]
    other: Any = [{"stack": "lab", "cpu": 9.0, "memory": 9}]
    events = [
        event("shop: healthy -> degraded", kind="state", service=None),
        event("web: healthy -> unhealthy", "2030-05-01T11:30:00+00:00", kind="state"),
        event("start shop-web-1"),
        event("elsewhere", stack="lab"),
        event("elsewhere", environment="production"),
    ]
    (found,) = rows("lab", "development", [view], used + other, events)
    assert (found.ready, found.wanted, found.cpu, found.memory, found.restarts) == (4, 5, 0.5, 15, 6)
    assert (found.since, found.event) == (NOW - timedelta(hours=1), "start shop-web-1")
    (quiet,) = rows("lab", "development", [view], [], [])
    assert (quiet.cpu, quiet.since, quiet.event) == (None, NOW - timedelta(hours=4), "web: crashed")


@pytest.mark.parametrize(
    ("by", "names"), [("name", "abc"), ("state", "cab"), ("cpu", "bac"), ("memory", "cab"), ("restarts", "acb")]
)
def test_rows_are_sorted_the_worst_the_busiest_the_largest_first(by: str, names: str) -> None:
    some = [
        row("a", cpu=0.1, restarts=3),
        row("c", state="failed", memory=5, restarts=1),
        row("b", cpu=0.9),
    ]
    assert "".join(r.stack for r in ordered(some, by)) == names


def test_every_word_of_a_filter_must_be_there() -> None:
    assert matches(row(state="unhealthy"), "SHOP unheal")
    assert matches(row(), "")
    assert not matches(row(), "shop failed")


def test_a_line_is_short() -> None:
    assert cells(row(cpu=0.25, memory=64 * 2**20, restarts=2), NOW, wide=False)[:7] == (
        *("shop", "healthy", "1/1", "25.0%", "64MiB"),
        *("2", "5m"),
    )
    assert cells(row(), NOW, wide=True)[0] == "development/shop"
    assert [ago(NOW - timedelta(seconds=s), NOW) for s in (3, 60, 7200, 900_000)] == ["3s", "1m", "2h", "10d"]
    assert ago(None, NOW) == ""
