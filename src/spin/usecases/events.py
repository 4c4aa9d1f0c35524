"""Events: list them, wait for the next ones, forget the old ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from spin.access import Action
from spin.model.event import AUDIT, Event, EventQuery
from spin.model.principal import Principal
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, allow_site
from spin.usecases.stacks import LONGEST_WAIT, LOOK_EVERY

MOST_EVENTS = 1000
"""Events of one answer."""
GATHER = 0.1
"""Seconds between a poke and the look for what it means: one change of a stack makes several events."""


async def list_events(
    platform: Platform,
    principal: Principal,
    query: EventQuery,
    *,
    wait: float = 0.0,
    gone: Callable[[], Awaitable[bool]] | None = None,
) -> tuple[Event, ...]:
    """The events of `query.project`, also of stacks that are gone.

    With `query.after` and `wait` it waits for up to so many seconds (30 at most) until there is one; `gone` tells whether the one
    who asked has hung up. Raises NotFound and NotAllowed.
    """
    project = query.project or ""
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
    wanted = replace(query, project=name, last=min(query.last, MOST_EVENTS))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(max(wait, 0.0), LONGEST_WAIT)
    with platform.notifier.listen(None) as poked:
        while True:
            poked.clear()
            async with platform.store.begin() as work:
                found = await work.events(wanted)
            left = deadline - loop.time()
            if found or left <= 0 or platform.notifier.closed or query.after is None or (gone is not None and await gone()):
                return found
            try:
                async with asyncio.timeout(min(left, LOOK_EVERY)):
                    await poked.wait()
                await asyncio.sleep(min(GATHER, max(0.0, deadline - loop.time())))
            except TimeoutError:
                pass


async def list_audit(platform: Platform, principal: Principal, query: EventQuery) -> tuple[Event, ...]:
    """What people asked for, accepted or refused, and what the platform decided: of a project for its members, of the whole site
    (`query.project` None) for operators. Raises NotFound and NotAllowed.
    """
    kinds = AUDIT if query.kinds is None else query.kinds & AUDIT
    wanted = replace(query, kinds=kinds, last=min(query.last, MOST_EVENTS))
    if query.project is None:
        allow_site(principal, Action.USERS)
    async with platform.store.begin() as work:
        if query.project is not None:
            wanted = replace(wanted, project=await allow(work, principal, Action.READ, query.project))
        return await work.events(wanted)


async def forget_old(platform: Platform, now: datetime) -> int:
    """Forget what is older than the site remembers, also of jobs' runs; returns how many events went."""
    kept = platform.site.retention
    async with platform.store.begin(write=True) as work:
        await work.forget_runs(now - timedelta(days=kept.events_days))
        await work.forget_usage(now - timedelta(hours=kept.usage_hours))
        return await work.forget_events(
            before=now - timedelta(days=kept.events_days),
            audit_before=now - timedelta(days=kept.audit_days),
            most=kept.events_per_stack,
        )
