"""Volumes of a project."""

from __future__ import annotations

from fastapi import APIRouter

from spin.api.context import PREFIX, Person, ProjectPath, ThePlatform
from spin.usecases.volumes import VolumeView, list_volumes

router = APIRouter(prefix=PREFIX + "/projects/{project}/volumes", tags=["volumes"])


@router.get("", summary="The project's volumes in all environments, also of stacks that are gone")
async def get_volumes(platform: ThePlatform, person: Person, project: ProjectPath) -> tuple[VolumeView, ...]:
    return await list_volumes(platform, person, project)
