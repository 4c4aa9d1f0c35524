"""What is known of a stack beside its document: what its images say of themselves, and what their tags named earlier."""

from __future__ import annotations

import asyncio

from spin.errors import RegistryUnavailable
from spin.model.image import ImageFacts
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.stack import Image, StackSpec
from spin.policy import Known
from spin.usecases.images import may_ask
from spin.usecases.platform import Platform

WITHIN = 5.0
"""Seconds in which images' facts have to be there. They are good advice, and nothing waits long for that."""
AT_ONCE = 8
"""Images that are looked at at the same time."""
LOOK_BACK = 20
"""Revisions in which tags are looked for."""


async def known_of(
    platform: Platform, principal: Principal, key: DeploymentKey, spec: StackSpec, *, accepted: bool = False
) -> Known:
    """What is known of `spec`, whose images are pinned. A registry that does not answer leaves gaps; nothing raises for it.

    `accepted`: the services are those of the desired revision, so the operators have seen them.
    """
    environment = platform.environment(key.environment)
    return Known(
        images=await _facts(
            platform, {s.image for s in spec.services if s.image.digest and may_ask(platform, principal, s.image)}
        ),
        reused=await _reused(platform, key, spec),
        now=platform.clock.now(),
        reviewed=environment.reviewed and not principal.operator and not accepted,
    )


async def _facts(platform: Platform, images: set[Image]) -> dict[str, ImageFacts]:
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(image: Image) -> tuple[str, ImageFacts | None]:
        async with room:
            try:
                return image.reference, await platform.images.facts(image.pinned)
            except RegistryUnavailable:
                return image.reference, None

    if not images:
        return {}
    tasks = [asyncio.create_task(ask(image)) for image in images]
    done, late = await asyncio.wait(tasks, timeout=WITHIN)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    found = dict(task.result() for task in done)
    return {reference: facts for reference, facts in found.items() if facts is not None}


async def _reused(platform: Platform, key: DeploymentKey, spec: StackSpec) -> dict[str, int]:
    """References that were another image when the stack had them last, and the number of that revision."""
    wanted = {s.image.reference: s.image.digest for s in spec.services if s.image.digest}
    async with platform.store.begin() as work:
        revisions = await work.revisions(key, last=LOOK_BACK)
    reused: dict[str, int] = {}
    for revision in reversed(revisions):
        for reference, digest in {s.image.reference: s.image.digest for s in revision.spec.services}.items():
            now = wanted.pop(reference, None)
            if now is not None and now != digest:
                reused[reference] = revision.number
    return reused
