"""Times as people read and write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from spin.cli.times import duration, elapsed, relative, since
from spin.errors import InvalidInput

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=-2), "just now"),
        (timedelta(seconds=42), "42 seconds ago"),
        (timedelta(seconds=119), "1 minute ago"),
        (timedelta(minutes=3), "3 minutes ago"),
        (timedelta(hours=1, minutes=59), "1 hour ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=8), "1 week ago"),
        (timedelta(days=65), "2 months ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(days=-3, seconds=-1), "in 3 days"),
    ],
)
def test_a_moment_is_told_by_its_distance(ago: timedelta, text: str) -> None:
    assert relative((NOW - ago).isoformat(), NOW) == text


def test_no_moment_is_never_and_an_unknown_form_is_shown_as_it_is() -> None:
    assert relative(None, NOW) == "never"
    assert relative("", NOW, never="-") == "-"
    assert relative("yesterday", NOW) == "yesterday"


def test_a_time_with_z_and_one_without_an_offset_are_utc() -> None:
    assert relative("2026-03-01T11:00:00Z", NOW) == relative("2026-03-01T11:00:00", NOW) == "1 hour ago"


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0.0s"), (3.24, "3.2s"), (48.9, "48s"), (125, "2m05s"), (3720, "1h02m")])
def test_a_stopwatch_is_short(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_lengths_of_time_add_up() -> None:
    assert duration("1h30m") == timedelta(minutes=90)
    assert duration("2d") == timedelta(days=2)
    assert duration("0.5h") == timedelta(minutes=30)
    assert duration("90") is None
    assert duration("1h later") is None


def test_since_takes_a_length_before_now_or_a_time() -> None:
    assert since("1h", NOW) == "2026-03-01T11:00:00+00:00"
    assert since("2026-03-01T10:00:00+01:00", NOW) == "2026-03-01T09:00:00+00:00"
    assert since("2026-03-01T10:00Z", NOW) == "2026-03-01T10:00:00+00:00"
    assert since("1772359200", NOW) == "2026-03-01T10:00:00+00:00", "as docker logs takes it"
    assert since("1772359200.5", NOW) == "2026-03-01T10:00:00.500000+00:00"


def test_since_takes_a_time_of_today_on_this_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    try:
        assert since("9:30", NOW) == "2026-03-01T08:30:00+00:00"
        assert since("00:00:01", NOW) == "2026-02-28T23:00:01+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["teatime", "25:00", "99999999w", "0001-01-01T00:00+14:00", "-5m", ""])
def test_since_refuses_anything_else_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput, match="1h30m"):
        since(text, NOW)


@pytest.mark.parametrize(
    "text", ["99999999999999999999d", "999999999w", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_in_no_calendar_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="give a length of time"):
        since(text, NOW)
