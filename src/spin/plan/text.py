"""Steps and plans as text: one line a step, with its cause. The form of `spin plan`, of logs and of the golden tests."""

from __future__ import annotations

from typing import assert_never

from spin.model.stack import Image
from spin.model.steps import (
    Create,
    DeliverFiles,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    Remove,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    RouteTo,
    Start,
    Step,
    Stop,
    Unroute,
)
from spin.plan.planner import Plan


def text(step: Step) -> str:
    """Such as `stop shop-api-1 within 10 s -- scaled down`."""
    return f"{what(step)} -- {step.cause}"


def render(plan: Plan) -> str:
    """A line for each step, and one for when to look again. Empty when there is nothing to do or to wait for."""
    lines = [text(step) for step in plan.steps]
    if plan.wake_after is not None:
        lines.append(f"look again in {plan.wake_after.total_seconds():g} s")
    return "\n".join(lines)


def what(step: Step) -> str:
    """Such as `stop shop-api-1 within 10 s`."""
    match step:
        case Create():
            attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
            return f"create {step.spec.name}-{step.slot} @{_short(step.digest)}{attempt}"
        case Start():
            return f"start {step.name}"
        case RouteTo():
            return f"route to {step.name}"
        case Unroute():
            return f"unroute {step.name}"
        case Stop():
            return f"stop {step.name} within {step.grace_ms / 1000:g} s"
        case Remove():
            return f"remove {step.name}"
        case _:
            return _what_supply(step)


def _what_supply(
    step: PullImage | EnsureNetwork | EnsureVolume | DeliverFiles | RemoveFiles | RemoveNetwork | RemoveVolume,
) -> str:
    match step:
        case PullImage():
            return f"pull {_short_image(step.pinned)}"
        case EnsureNetwork():
            return f"make network {step.network.name}"
        case EnsureVolume():
            return f"make volume {step.volume.name}"
        case DeliverFiles():
            return f"deliver files of {step.service} @{_short(step.digest)}"
        case RemoveFiles():
            return f"remove files of {step.service} @{_short(step.digest)}"
        case RemoveNetwork():
            return f"remove network {step.network}"
        case RemoveVolume():
            return f"remove volume {step.volume} and its data"
        case _:
            assert_never(step)


def _short_image(pinned: str) -> str:
    return f"{Image(pinned).repository}@{_short(pinned.rpartition('@sha256:')[2])}"


def _short(digest: str) -> str:
    return digest[:8]
