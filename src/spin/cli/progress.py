"""Following a change until it has settled."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import typer

from spin.cli.output import colours, is_terminal, message
from spin.cli.tables import clean, paint, state
from spin.cli.times import elapsed
from spin.client import Stack
from spin.client.shapes import Accepted, FailureView, ServiceView, StackView, UpgradeView
from spin.errors import Failed, NotFound, Unavailable

SILENCE_SECONDS = 60.0
"""A platform that does not answer for this long while a change is followed is given up."""
RETRY_SECONDS = 0.5
PATIENCE = 30.0
"""Seconds for which a stack may do nothing but fail before a command stops waiting for it."""
RESTING = frozenset({"healthy", "upgraded", "completed", "scheduled", "stopped"})
WRONG = frozenset({"failed", "unhealthy", "degraded"})


class Reporter(Protocol):
    """Shows progress on stderr."""

    def show(self, view: StackView) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


class PlainReporter:
    """One line for each change."""

    def __init__(self) -> None:
        self._last: StackView | None = None
        self._colours = colours(sys.stderr)

    def show(self, view: StackView) -> None:
        for line in progress_lines(self._last, view, colours=self._colours):
            message(line)
        self._last = view

    def note(self, text: str) -> None:
        message(text)

    def close(self) -> None:
        pass


def progress_lines(before: StackView | None, view: StackView, *, colours: bool = False) -> list[str]:
    """What is new in `view`: `[service] state ready/wanted detail`, one line for each service that differs."""
    known: Mapping[str, ServiceView] = {} if before is None else {s["name"]: s for s in before["services"]}
    lines = [
        service_line(service, colours=colours)
        for service in view["services"]
        if service["name"] not in known or _told(service) != _told(known[service["name"]])
    ]
    now = {s["name"] for s in view["services"]}
    lines += [f"[{clean(name)}] removed" for name in known if name not in now]
    said = {f"{s['name']}: {s['detail']}" for s in view["services"]}
    if view["detail"] and view["detail"] not in said and (before is None or before["detail"] != view["detail"]):
        lines.append(f"{view['stack']}: {clean(view['detail'])}")
    return lines


def service_line(service: ServiceView, *, colours: bool = False) -> str:
    cell = state(service["state"])
    detail = f"  {clean(service['detail'])}" if service["detail"] else ""
    return f"[{clean(service['name'])}] {paint(cell.text, cell.colour, colours=colours)} {service['ready']}/{service['wanted']}{detail}"


def _told(service: ServiceView) -> tuple[str, int, int, str]:
    return service["state"], service["ready"], service["wanted"], service["detail"]


def reporter(title: str) -> Reporter:
    """A live table on a terminal, else plain lines."""
    if is_terminal(sys.stderr):
        from spin.cli.live import LiveReporter  # noqa: PLC0415 - Rich takes as long to import as everything else together

        return LiveReporter(title)
    return PlainReporter()


def follow(stack: Stack, generation: int, timeout: float, *, removal: bool = False) -> StackView | None:
    """Show progress until the stack has settled at `generation` or a later one; the last view, or None where it is gone.

    A stack in which nothing moves but what fails again and again is given up after PATIENCE; its view says why. An upgrade is not: the
    platform ends it, by its deadlines, while what was there before serves. A step that failed on the way is tried again by the platform.
    `timeout` in seconds. Raises Failed when the time is over, or where the stack has gone and `removal` did not ask for that.
    Ctrl-C stops watching only: it says so and ends the command with status 130.
    """
    until = time.monotonic() + timeout
    shown = reporter(f"{stack.name} in {stack.environment}")
    view: StackView | None = None
    stuck_since: float | None = None
    try:
        for view in views(stack, until, shown.note):
            shown.show(view)
            if view["state"] == "removed":
                _expect_gone(stack, removal=removal)
                return None
            trying = is_gated(view) and view["state"] == "failed"
            if view["settled"] and view["generation"] >= generation and not trying:
                return view
            hopeless = trying or (is_stuck(view) and not is_gated(view))
            stuck_since = (stuck_since or time.monotonic()) if hopeless else None
            if stuck_since is not None and time.monotonic() - stuck_since > PATIENCE:
                return view
    except NotFound:
        _expect_gone(stack, removal=removal)
        return None
    except KeyboardInterrupt:
        shown.close()
        message(
            f"\nDetached. {stack.name} goes on in {stack.environment}: `spin ps {stack.name} -e {stack.environment}` shows how."
        )
        raise typer.Exit(130) from None
    finally:
        shown.close()
    for line in reasons(view):
        message(line)
    raise Failed(
        f"{stack.name} has not settled in {stack.environment} within {elapsed(timeout)}. It goes on: "
        f"`spin ps {stack.name} -e {stack.environment}` shows how."
    )


def is_stuck(view: StackView) -> bool:
    """Something is wrong, and all else that is not done waits for it. It may still recover: the platform goes on trying."""
    open_ones = [s for s in view["services"] if s["state"] not in RESTING]
    wrong = [s for s in open_ones if s["state"] in WRONG]
    return bool(wrong) and all(s in wrong or s["detail"].startswith("waiting for ") for s in open_ones)


def is_gated(view: StackView) -> bool:
    """An upgrade is under way, of which the platform decides whether it holds up."""
    upgrade = view["upgrade"]
    return upgrade is not None and upgrade["complete"] is None and upgrade["failed"] is None


def _expect_gone(stack: Stack, *, removal: bool) -> None:
    if not removal:
        raise Failed(f"{stack.name} has been removed from {stack.environment} meanwhile.")


def views(stack: Stack, until: float, note: Callable[[str], None]) -> Iterator[StackView]:
    """The stack's views until that monotonic time; goes on after the platform was away for a while (it may have been restarted)."""
    heard = time.monotonic()
    while True:
        try:
            for view in stack.watch(until=until):
                heard = time.monotonic()
                yield view
        except Unavailable as error:
            now = time.monotonic()
            if now > min(until, heard + SILENCE_SECONDS):
                raise
            note(f"{error.message} Trying again.")
            time.sleep(RETRY_SECONDS)
        else:
            return


def reasons(view: StackView | None) -> list[str]:
    """Why a stack is not as it should be: a line for each service that is not well."""
    if view is None:
        return []
    lines = [f"  {service_line(s)}" for s in view["services"] if s["state"] not in RESTING]
    return lines or ([f"  {clean(view['detail'])}"] if view["detail"] else [])


def conclude(stack: Stack, view: StackView | None, seconds: float, accepted: Accepted | None = None) -> None:
    """The last words after a change was followed; `accepted` is what the platform had said to it.

    Raises Failed, with the reasons printed, where it did not succeed; a rollback that took its place is no success.
    """
    if view is None:
        message(f"{stack.name} is removed from {stack.environment} ({elapsed(seconds)}).")
        return
    if accepted is not None and view["revision"] > accepted["revision"]:
        _overtaken(stack, view, accepted)
    if view["upgrade"] is not None and view["upgrade"]["failed"] is not None:
        raise _failed_upgrade(stack, view, view["upgrade"], view["upgrade"]["failed"])
    if view["state"] == "failed" or is_stuck(view):
        for line in reasons(view):
            message(line)
        broken = next((s["name"] for s in view["services"] if s["state"] in WRONG), None)
        target = f"{stack.name}/{broken}" if broken else stack.name
        failed = view["state"] == "failed"
        what = f"has failed in {stack.environment}." if failed else f"does not come up in {stack.environment}; it is tried on."
        raise Failed(f"{stack.name} {what} `spin why {target} -e {stack.environment}` tells more, and `spin logs` what it wrote.")
    cell = state(view["state"])
    word = paint(cell.text, cell.colour, colours=colours(sys.stderr))
    hint = f" {what_next(view)}" if what_next(view) else ""
    message(f"{stack.name} is {word} in {stack.environment} ({elapsed(seconds)}).{hint}")


def what_next(view: StackView) -> str:
    """What to type where an upgrade waits for a confirmation; empty where none does."""
    upgrade = view["upgrade"]
    if upgrade is None or upgrade["complete"] is None or upgrade["failed"] is not None:
        return ""
    there = f"{view['stack']} -e {view['environment']}"
    itself = " It is confirmed by itself otherwise." if upgrade["confirm_at"] else ""
    return f"`spin confirm {there}` keeps it, `spin rollback {there}` goes back to revision {upgrade['base']}.{itself}"


def _overtaken(stack: Stack, view: StackView, accepted: Accepted) -> None:
    """Raises Failed where a rollback has taken the place of the change; says so where another change has."""
    if view["origin"] != "rollback":
        message(
            f"Revision {accepted['revision']} was followed by revision {view['revision']} ({view['origin']}, {view['author']})."
        )
        return
    reason, *log = view["note"].splitlines() or [""]
    for line in log_lines(log):
        message(line)
    where = f"revision {accepted['base']}" if accepted["base"] else "an earlier revision"
    raise Failed(f"{stack.name} was rolled back to {where} in {stack.environment} by {view['author']}: {clean(reason)}.")


def _failed_upgrade(stack: Stack, view: StackView, upgrade: UpgradeView, failure: FailureView) -> Failed:
    for line in log_lines(failure["log"]):
        message(line)
    there = f"{stack.name} -e {stack.environment}"
    held = f" {', '.join(failure['held'])}: as in revision {upgrade['base']}." if failure["held"] else ""
    return Failed(
        f"The upgrade of {stack.name} to revision {view['revision']} has failed in {stack.environment}: {failure['reason']}.{held} "
        f"`spin rollback {there}` gives it up; `spin up` tries again."
    )


def log_lines(lines: Sequence[str]) -> list[str]:
    """The last lines that a container wrote, as they are shown."""
    return [f"  | {clean(line)}" for line in lines]
