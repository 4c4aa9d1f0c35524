"""Times for people, and times from people. Pure: now is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from spin.errors import InvalidInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_STEPS = ((365 * 86400, "year"), (30 * 86400, "month"), (7 * 86400, "week"), (86400, "day"), (3600, "hour"), (60, "minute"))
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?", re.ASCII)
_UNIX = re.compile(r"\d{9,11}(?:\.\d+)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)


def parse_time(text: str) -> datetime:
    """An ISO 8601 time of the API's; without an offset it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def relative(text: str | None, now: datetime, *, never: str = "never") -> str:
    """The API's time `text` as a distance from `now`: `3 minutes ago`, `in 2 days`, `just now`; `never` for None."""
    if not text:
        return never
    try:
        seconds = (now - parse_time(text)).total_seconds()
    except ValueError:
        return text
    if abs(seconds) < 5:
        return "just now"
    distance = approximate(abs(seconds))
    return f"{distance} ago" if seconds > 0 else f"in {distance}"


def approximate(seconds: float) -> str:
    """A length of time in its largest unit, cut: 119 s is `1 minute`."""
    for size, name in _STEPS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}" + ("" if count == 1 else "s")
    return f"{int(seconds)} second" + ("" if int(seconds) == 1 else "s")


def elapsed(seconds: float) -> str:
    """A stopwatch: `3.2s`, `48s`, `2m05s`, `1h02m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def duration(text: str) -> timedelta | None:
    """`90s`, `15m`, `1h30m`, `2d` as a length of time; None if it is not one."""
    if not _DURATION.fullmatch(text):
        return None
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def local(text: str) -> str:
    """The API's time `text` as the clock on this machine's wall shows it: `2026-01-31 12:00:05`; unreadable text as it is."""
    try:
        return f"{parse_time(text).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return text


def since(text: str, now: datetime, *, option: str = "--since") -> str:
    """What `--since` (or another `option`) means, as RFC 3339: a length of time before `now`, a date and time, which is local where no
    offset is given, a time of today, or seconds since 1970 as `docker logs` takes them.

    Raises InvalidInput.
    """
    try:
        length = duration(text)
        if length is not None:
            return (now - length).astimezone(UTC).isoformat()
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC).isoformat()
        if _CLOCK.fullmatch(text):
            text = f"{now.astimezone():%Y-%m-%d}T{text:0>{8 if text.count(':') == 2 else 5}}"
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):  # the latter: before the year 1, or after 9999
        raise InvalidInput(
            f"{option} {text}: give a length of time (90s, 15m, 1h30m, 2d) or a time (2026-01-31T12:00, with Z or an offset "
            "where it is not local; 12:00 is today)."
        ) from None
