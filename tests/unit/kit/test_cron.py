"""Times that recur: what is a schedule, and when it comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spin.kit import cron

NOON = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("15 3 * * *", "15 3 * * *"),
        ("  */5   *  * * mon-fri ", "*/5 * * * mon-fri"),
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("0 6 L * *", "0 6 L * *"),
        ("0 6 * * 5#2", "0 6 * * 5#2"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_a_schedule_in_its_plain_form(text: str, plain: str) -> None:
    assert cron.check(text) == plain


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "this one none"),
        ("15 3 * *", "this one 4"),
        ("0 15 3 * * *", "no field for seconds"),
        ("61 * * * *", "minute is not as cron writes it"),
        ("0 25 * * *", "hour is not"),
        ("0 0 30 2 *", "day-of-month is not"),
        ("@reboot", "@reboot is not a schedule"),
        ("every day at noon", "this one 4"),
        ("1 2 3 4 x", "day-of-week is not"),
        ("1," * 200 + "1 * * * *", "at most 100 characters"),
        ("٣ * * * *", "minute is not"),
    ],
)
def test_what_is_no_schedule_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="write five fields") as error:
        cron.check(text)
    assert says in str(error.value)


def test_the_times_around_a_moment() -> None:
    assert cron.following("15 3 * * *", NOON) == datetime(2026, 5, 6, 3, 15, tzinfo=UTC)
    assert cron.latest("15 3 * * *", NOON) == datetime(2026, 5, 5, 3, 15, tzinfo=UTC)
    assert cron.latest("0 12 * * *", NOON) == NOON
    assert cron.latest("0 12 * * *", NOON - timedelta(microseconds=1)) == NOON - timedelta(days=1)
    assert cron.following("0 12 * * *", NOON) == NOON + timedelta(days=1)


def test_times_are_counted_between_two_moments_and_up_to_a_number() -> None:
    assert cron.count("0 * * * *", NOON, NOON + timedelta(hours=5), 100) == 4
    assert cron.count("* * * * *", NOON, NOON + timedelta(days=365), 100) == 100
