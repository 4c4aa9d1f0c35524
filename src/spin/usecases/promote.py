"""Promote: make the very same stack run in another environment."""

from __future__ import annotations

from collections.abc import Mapping

from spin.access import Action
from spin.errors import InvalidInput
from spin.model.principal import Principal
from spin.model.revision import Origin
from spin.usecases.admission import Candidate, admit, reexamine, target
from spin.usecases.journal import audited
from spin.usecases.operate import refuse_removed
from spin.usecases.platform import Platform
from spin.usecases.record import preview, record
from spin.usecases.rights import find, no_stack
from spin.usecases.views import Accepted, Preview


@audited("promote")
async def promote(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    to: str,
    secrets: Mapping[str, bytes],
    *,
    expect_generation: int | None = None,
) -> Accepted:
    """Make the desired revision of `environment` the desired one of `to`: same configuration, same digests.

    Secrets are never copied: each own secret of the stack needs a value in `secrets` or exists in `to` already. Volumes belong to a
    deployment, so the new one begins with empty ones. `expect_generation` is that of the stack in `to`.
    Raises InvalidInput, Refused, NotFound, NotAllowed, Conflict, Unavailable.
    """
    candidate, note = await _candidate(platform, principal, project, environment, stack, to, secrets)
    async with platform.store.begin(write=True) as work:
        _, current = await target(
            platform, work, principal, Action.PROMOTE, project, to, stack, expect_generation=expect_generation
        )
        await admit(work, platform, principal, candidate)
        answer = await record(work, principal, candidate, current, origin=Origin.PROMOTE, now=platform.clock.now(), note=note)
    platform.changed(candidate.key)
    return answer


async def plan_promote(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    to: str,
    secrets: Mapping[str, bytes],
) -> Preview:
    """What `promote` would change in `to`. Raises what it would raise; writes nothing."""
    candidate, _ = await _candidate(platform, principal, project, environment, stack, to, secrets)
    async with platform.store.begin() as work:
        _, current = await target(platform, work, principal, Action.PROMOTE, project, to, stack)
        await admit(work, platform, principal, candidate)
        return await preview(work, candidate, current)


async def _candidate(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    to: str,
    secrets: Mapping[str, bytes],
) -> tuple[Candidate, str]:
    async with platform.store.begin() as work:
        source = await find(platform, work, principal, Action.PROMOTE, project, environment, stack)
        refuse_removed(source)
        revision = await work.revision(source.key, source.revision)
        if revision is None:
            raise no_stack(source.key)
        key, _ = await target(platform, work, principal, Action.PROMOTE, project, to, stack)
    if key == source.key:
        raise InvalidInput(f"The stack {stack!r} is in {to} already: name another environment.", key="to")
    candidate = await reexamine(platform, principal, key, revision.spec, secrets, moved=True)
    return candidate, f"from {environment}, revision {revision.number}"
