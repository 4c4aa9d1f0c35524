"""`x-spin.schedule` of a service, and what stands beside it: when it runs as a job."""

from __future__ import annotations

from spin.compose.cursor import Cursor
from spin.compose.forms import duration_ms
from spin.kit import cron
from spin.kit.text import quoted
from spin.model.stack import Overlap, Schedule

MOST_KEPT = 20
"""Bound of `keep`: each container that stays costs the engine a look in every pass."""


def lower_schedule(service: Cursor) -> Schedule | None:
    """Raises InvalidInput."""
    extension = service.get("x-spin")
    if extension is None:
        return None
    times, overlap, timeout, keep = (extension.get(key) for key in ("schedule", "overlap", "timeout", "keep"))
    if times is None:
        for other in (overlap, timeout, keep):
            if other is not None:
                other.fail('it says how the runs of a job go, and the service has no `schedule`; add one, such as "15 3 * * *".')
        return None
    usual = Schedule("")
    length = timeout.read(duration_ms) if timeout else 0
    if timeout and length < 1000:
        timeout.fail("a run takes a second at least; write a longer time, such as 1h.")
    return Schedule(
        times=times.read(cron.check),
        overlap=overlap.read(_overlap) if overlap else usual.overlap,
        timeout_ms=length or None,
        keep=keep.integer(0, MOST_KEPT) if keep else usual.keep,
    )


def _overlap(text: str) -> Overlap:
    try:
        return Overlap(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is not known; write one of {', '.join(o.value for o in Overlap)}.") from None
