"""`deploy.update_config`: how the containers of a service are replaced. And `deploy.rollback_config`, which has the same form."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from spin.compose.cursor import Cursor
from spin.compose.forms import MOST_MS, duration_ms
from spin.kit.text import quoted
from spin.model.stack import FailureAction, Update, UpdateOrder

MOST_AT_ONCE = 10_000
"""Upper bound of `parallelism`, as of replicas."""

E = TypeVar("E", bound=Enum)


def lower_update(service: Cursor) -> Update:
    """How `service` asks for its containers to be replaced. Raises InvalidInput.

    A rollback goes by the same settings: those written for it in `rollback_config` are checked, and that they are not used is the
    audit's to say.
    """
    deploy = service.get("deploy")
    update = _update(deploy.get("update_config"), _strategy(service)) if deploy else _strategy(service)
    if deploy:
        _update(deploy.get("rollback_config"), Update())
    return update


def _strategy(service: Cursor) -> Update:
    """`upgrade_strategy` of a `rancher-compose.yml`, over which `update_config` wins."""
    found = service.get("upgrade_strategy")
    if found is None:
        return Update()
    first, size, interval = found.get("start_first"), found.get("batch_size"), found.get("interval_millis")
    order = None if first is None else UpdateOrder.START_FIRST if first.boolean() else UpdateOrder.STOP_FIRST
    return Update(
        parallelism=size.integer(0, MOST_AT_ONCE) if size else Update().parallelism,
        delay_ms=interval.integer(0, MOST_MS) if interval else 0,
        order=order,
    )


def _update(cursor: Cursor | None, usual: Update) -> Update:
    if cursor is None:
        return usual
    parallelism, ratio, delay = cursor.get("parallelism"), cursor.get("max_failure_ratio"), cursor.get("delay")
    return Update(
        parallelism=parallelism.integer(0, MOST_AT_ONCE) if parallelism else usual.parallelism,
        delay_ms=_duration(delay) if delay else usual.delay_ms,
        failure_action=_one_of(cursor.get("failure_action"), FailureAction),
        monitor_ms=_duration(cursor.get("monitor")),
        max_failure_ratio=ratio.number(0, 1) if ratio else Update().max_failure_ratio,
        order=_one_of(cursor.get("order"), UpdateOrder) or usual.order,
    )


def _duration(cursor: Cursor | None) -> int:
    return cursor.read(duration_ms) if cursor else 0


def _one_of(cursor: Cursor | None, kind: type[E]) -> E | None:
    if cursor is None:
        return None
    known = [member.value for member in kind]
    if cursor.value not in known:
        cursor.fail(f"{quoted(cursor.value)} is not known here; write one of {', '.join(known)}.")
    return kind(cursor.value)
