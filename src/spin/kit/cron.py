"""Times that recur, in cron's form, in UTC.

Five fields (minute, hour, day of the month, month, day of the week) as Debian's cron reads them, names of days and months, `L`, `LW`
and `5#2`, and the usual words: `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

LONGEST = 100
"""Characters of a schedule: a list of all 60 minutes is longer, and `*` says the same."""
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EXAMPLE = 'write five fields, as in "15 3 * * *" (minute, hour, day of the month, month, day of the week), or @daily'


def check(text: str) -> str:
    """`text` in its plain form: five fields with single spaces. Raises ValueError, with a sentence, if it is not a schedule or never
    comes."""
    if len(text) > LONGEST:
        raise ValueError(f"a schedule has at most {LONGEST} characters; {_EXAMPLE}.")
    plain = " ".join(text.split())
    if plain.startswith("@"):
        plain = _WORDS.get(plain.lower(), plain)
        if plain.startswith("@"):
            raise ValueError(f"{plain} is not a schedule; {_EXAMPLE}. The words are {', '.join(_WORDS)}.")
    fields = plain.count(" ") + 1
    if fields == 6:
        raise ValueError(f"a schedule has no field for seconds: a job runs once a minute at most; {_EXAMPLE}.")
    if fields != 5:
        raise ValueError(f"a schedule has five fields, and this one {fields if plain else 'none'}; {_EXAMPLE}.")
    try:
        found = next(CronSim(plain, datetime(2000, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        raise ValueError(f"{str(error).removeprefix('Bad ')} is not as cron writes it; {_EXAMPLE}.") from None
    if found is None:
        raise ValueError(f"such a day never comes; {_EXAMPLE}.")
    return plain


def following(schedule: str, after: datetime) -> datetime | None:
    """The first time of the schedule after that moment, to the minute; None where none comes in the next 50 years."""
    return next(CronSim(schedule, after.astimezone(UTC)), None)


def latest(schedule: str, until: datetime) -> datetime | None:
    """The last time of the schedule that is not after that moment."""
    return next(
        CronSim(schedule, until.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1), reverse=True), None
    )


def count(schedule: str, after: datetime, before: datetime, most: int) -> int:
    """How many times lie strictly between the two moments, counted up to `most`."""
    found = 0
    for time in CronSim(schedule, after.astimezone(UTC)):
        if time >= before or found >= most:
            break
        found += 1
    return found
