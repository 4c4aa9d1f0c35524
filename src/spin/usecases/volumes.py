"""Volumes: what a project has stored, also of stacks that are gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from spin.access import Action
from spin.model.principal import Principal
from spin.usecases.platform import Platform
from spin.usecases.rights import allow


@dataclass(frozen=True, slots=True)
class VolumeView:
    environment: str
    stack: str
    name: str
    """Name in the Compose file."""
    engine_name: str
    created: datetime | None
    used_by: tuple[str, ...]
    """Services whose containers mount it now."""


async def list_volumes(platform: Platform, principal: Principal, project: str) -> tuple[VolumeView, ...]:
    """Sorted by environment, stack and name. Raises EngineUnavailable: half a list would read as lost data."""
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
    answers = await asyncio.gather(*(engine.volumes(name) for engine in dict.fromkeys(platform.engines.values())))
    views = [
        VolumeView(v.key.environment, v.key.stack, v.name, v.engine_name, v.created, v.used_by)
        for volumes in answers
        for v in volumes
    ]
    return tuple(sorted(views, key=lambda v: (v.environment, v.stack, v.name)))
