"""Exponential back-off."""

from __future__ import annotations

from datetime import timedelta


def backoff(attempt: int, *, first: timedelta = timedelta(seconds=1), most: timedelta = timedelta(minutes=5)) -> timedelta:
    """How long to wait before try `attempt` + 1: `first` doubled after each failure, at most `most`.

    `attempt` counts the failures so far; 0 means no wait at all.
    """
    if attempt <= 0:
        return timedelta(0)
    return min(most, first * (1 << min(attempt - 1, 30)))
