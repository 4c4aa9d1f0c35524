"""Images at admission: every reference becomes a digest, or a problem that names it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from spin.errors import NotFound, Refused
from spin.model.names import DeploymentKey
from spin.model.principal import Principal
from spin.model.stack import Image, StackSpec
from spin.policy.beyond import IMAGE_MISSING
from spin.policy.image_source import RULE as IMAGE_SOURCE
from spin.usecases.platform import Platform
from spin.usecases.problems import Problem, refusal
from spin.usecases.rights import readable

AT_ONCE = 8
"""Requests to registries at the same time."""


async def pin(platform: Platform, principal: Principal, key: DeploymentKey, spec: StackSpec) -> tuple[StackSpec, list[Problem]]:
    """`spec` with every image pinned by digest, and a problem for each image that is not there.

    An image of the site's registry that belongs to a project which `principal` may not read is answered like a missing one.
    No registry is asked that the site does not allow: such an image is a problem. Raises RegistryUnavailable.
    """
    found = await _digests(platform, {_asked(s.image) for s in spec.services if may_ask(platform, principal, s.image)})
    problems = [_missing(platform, key, s.name, s.image) for s in spec.services if not found.get(_asked(s.image))]
    services = tuple(replace(s, image=replace(s.image, digest=found.get(_asked(s.image)))) for s in spec.services)
    return replace(spec, services=services), problems


def _asked(image: Image) -> str:
    """What to ask the registry for: the digest where the reference already names one."""
    return image.reference if image.digest is None else image.pinned


async def _digests(platform: Platform, references: Iterable[str]) -> dict[str, str | None]:
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(reference: str) -> str | None:
        async with room:
            return await platform.images.digest(reference)

    wanted = sorted(references)
    answers = await asyncio.gather(*(ask(reference) for reference in wanted), return_exceptions=True)
    found: dict[str, str | None] = {}
    for reference, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        found[reference] = answer
    return found


def may_ask(platform: Platform, principal: Principal, image: Image) -> bool:
    """Whether its registry is asked on behalf of `principal`: one that the site allows, and there of a project that they may read."""
    if _is_local(platform, image):
        project, slash, _ = image.repository.partition("/")[2].partition("/")
        return bool(slash) and readable(principal, project)
    return _is_trusted(platform, image)


def _is_local(platform: Platform, image: Image) -> bool:
    return image.repository.startswith(platform.site.registry_host + "/")


def _is_trusted(platform: Platform, image: Image) -> bool:
    return any(image.repository.startswith(source.rstrip("/") + "/") for source in platform.site.image_sources)


def _missing(platform: Platform, key: DeploymentKey, service: str, image: Image) -> Problem:
    site = platform.site
    host = image.reference.partition("/")[0]
    where = f"services.{service}.image"
    local = _is_local(platform, image)
    if not local and not _is_trusted(platform, image):
        return refusal(
            Refused,
            IMAGE_SOURCE,
            f"Service {service!r}: images may not come from {host}.",
            f"Push it to {site.registry_host}/{key.project}/ or use an image from {', '.join(site.image_sources)}.",
            service=service,
            key=where,
        )
    asked = _asked(image)
    if local:
        return refusal(
            NotFound,
            IMAGE_MISSING,
            f"Service {service!r}: there is no image {asked} in the registry.",
            "Build and push what is missing: `spin build`, then `spin push` (or `docker push`).",
            service=service,
            key=where,
        )
    return refusal(
        NotFound,
        IMAGE_MISSING,
        f"Service {service!r}: there is no image {asked} at {host}.",
        "Look at the name and the tag.",
        service=service,
        key=where,
    )
