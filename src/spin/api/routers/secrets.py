"""Secrets: names and versions come out, values only go in."""

from __future__ import annotations

from fastapi import APIRouter

from spin.api.context import PREFIX, EnvironmentPath, NamePath, Person, ProjectPath, ThePlatform
from spin.api.schemas import SecretIn
from spin.ports.store import SecretInfo
from spin.usecases.secrets import list_secrets, put_secret, remove_secret

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/secrets", tags=["secrets"])


@router.get("", summary="The project's secrets in an environment, without values")
async def get_secrets(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath
) -> tuple[SecretInfo, ...]:
    return await list_secrets(platform, person, project, environment)


@router.put("/{secret}", operation_id="put_secret", summary="Store a value as the newest version")
async def put(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, secret: NamePath, body: SecretIn
) -> SecretInfo:
    return await put_secret(platform, person, project, environment, secret, body.value)


@router.delete("/{secret}", status_code=204, operation_id="delete_secret", summary="Remove a secret that no stack uses")
async def delete(
    platform: ThePlatform, person: Person, project: ProjectPath, environment: EnvironmentPath, secret: NamePath
) -> None:
    await remove_secret(platform, person, project, environment, secret)
