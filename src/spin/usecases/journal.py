"""Writing down who asked for what, and what came of it.

An accepted change is written in the transaction that makes it, so neither is there without the other. A refused one is written by
the decorator `audited`, around the use case: whatever door the wish came through, it is in the journal.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import structlog

from spin.errors import Failed, SpinError, Unavailable
from spin.model.event import Caller, Event, Kind
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.ports.store import UnitOfWork
from spin.usecases.platform import Platform

log = structlog.get_logger("spin.usecases")

_NAME = 128

P = ParamSpec("P")
T = TypeVar("T")

caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""From where the person of this task asks. Set at the door (the API)."""


def audited(verb: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """For a use case that changes something, with the arguments `platform` and `principal`: what is refused is written down.

    Names are taken from its arguments `project`, `environment` and `stack`, where it has them.
    """

    def decorate(use_case: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        signature = inspect.signature(use_case)

        @functools.wraps(use_case)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await use_case(*args, **kwargs)
            except (Unavailable, Failed):
                raise  # the platform's fault, not an answer to the wish
            except SpinError as error:
                await _refused(verb, error, signature.bind(*args, **kwargs).arguments)
                raise

        run.__audited__ = verb  # type: ignore[attr-defined]  # for the test that no use case which changes something lacks it
        return run

    return decorate


async def _refused(verb: str, error: SpinError, given: dict[str, Any]) -> None:
    platform: Platform = given["platform"]
    principal: Principal = given["principal"]
    if not platform.guard.may_note_refusal(principal.user, platform.clock.now()):
        return
    event = Event(
        platform.clock.now(),
        Kind.REFUSED,
        f"{verb} was refused",
        actor=principal.user,
        verb=verb,
        cause=error.message,
        code=error.code,
        caller=_caller(principal),
        project=_named(given.get("project")),
        environment=_named(given.get("environment")),
        stack=_named(given.get("stack")),
    )
    try:
        async with platform.store.begin(write=True) as work:
            if event.project is not None and not await work.has_project(event.project):
                event = replace(event, project=None, cause=f"{error.message} (project {event.project!r})")
            await work.add_events([event])
    except SpinError as failure:  # the person gets the answer all the same
        log.warning("a refusal could not be written down", reason=failure.message)


def _named(value: object) -> str | None:
    """A name as it was sent, if it can be one."""
    return value if isinstance(value, str) and 0 < len(value) <= _NAME and value.isprintable() else None


def _caller(principal: Principal) -> Caller:
    return replace(caller.get() or Caller(), key=principal.key)


async def accepted_change(
    work: UnitOfWork,
    principal: Principal,
    verb: str,
    text: str,
    now: datetime,
    *,
    key: DeploymentKey | None = None,
    project: str | None = None,
    environment: str | None = None,
    revision: int | None = None,
    cause: str = "",
) -> None:
    """Write down, within the transaction that makes the change, that `principal` asked for it. Names: `key`, or the single ones."""
    await work.add_events(
        [
            Event(
                now,
                Kind.ACCEPTED,
                text,
                actor=principal.user,
                verb=verb,
                cause=cause,
                project=project if key is None else key.project,
                environment=environment if key is None else key.environment,
                stack=None if key is None else key.stack,
                revision=revision,
                caller=_caller(principal),
            )
        ]
    )
