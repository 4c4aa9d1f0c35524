"""`spin wait`."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from spin.cli.options import FOLLOW_SECONDS, EnvironmentOption, ProjectOption, TimeoutOption
from spin.cli.output import message
from spin.cli.progress import views
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.stack import service_of
from spin.client.shapes import StackView
from spin.errors import Failed, NotFound


class Goal(StrEnum):
    """What can be waited for."""

    healthy = "healthy"
    stopped = "stopped"
    completed = "completed"
    settled = "settled"
    removed = "removed"


_REACHED = {
    Goal.healthy: frozenset({"healthy", "upgraded", "completed", "scheduled"}),
    Goal.stopped: frozenset({"stopped"}),
    Goal.completed: frozenset({"completed"}),
}
"""The states that count: an upgrade that nobody has confirmed yet runs, and a service that was to end and did is well."""
_HOPELESS = frozenset({"failed"})


def wait(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE]")],
    goal: Annotated[Goal, typer.Option("--for", metavar="STATE", help=f"One of {', '.join(Goal)}.")] = Goal.healthy,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    timeout: TimeoutOption = FOLLOW_SECONDS,
) -> None:
    """Wait until a stack or service is in a state.

    Exit status 0 when it is, 1 when it has failed instead or does not get there within --timeout. `settled` is whatever it ends in,
    once nothing is under way. For scripts: prints nothing on stdout.
    """
    ref = parse_ref(target, depth=2)
    last: StackView | None = None
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        try:
            for view in views(stack, time.monotonic() + timeout, message):
                last = view
                state, detail = _state(view, ref.service)
                if _is_reached(view, state, goal):
                    message(f"{ref} is {state}.")
                    return
                if goal is not Goal.removed and state in _HOPELESS and view["settled"]:
                    raise Failed(
                        f"{ref} has failed and will not be {goal.value}: {detail or view['detail']} `spin why {ref}` tells more."
                    )
        except NotFound:
            if goal is Goal.removed:
                message(f"{ref} is removed.")
                return
            raise
    state, detail = ("unknown", "") if last is None else _state(last, ref.service)
    reason = f": {detail}" if detail else ""
    raise Failed(f"{ref} is not {goal.value} after {timeout} s; it is {state}{reason}. `spin why {ref}` tells more.")


def _state(view: StackView, service: str | None) -> tuple[str, str]:
    if service is None:
        return view["state"], view["detail"]
    found = service_of(view, service)
    return found["state"], found["detail"]


def _is_reached(view: StackView, state: str, goal: Goal) -> bool:
    if goal is Goal.settled:
        return view["settled"]
    return state in _REACHED.get(goal, frozenset({goal.value}))
