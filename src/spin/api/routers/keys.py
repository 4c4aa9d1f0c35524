"""API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from spin.api.context import PREFIX, NamePath, Person, ThePlatform
from spin.api.schemas import KeyIn
from spin.ports.store import ApiKey
from spin.usecases.keys import NewKey, create_key, list_keys, remove_key

router = APIRouter(prefix=PREFIX + "/keys", tags=["keys"])


@router.get("", summary="One's own API keys, without their secret part")
async def get_keys(
    platform: ThePlatform,
    person: Person,
    user: Annotated[str | None, Query(max_length=100, description="Whose (operators)")] = None,
) -> tuple[ApiKey, ...]:
    return await list_keys(platform, person, user)


@router.post("", status_code=201, summary="Make an API key; its text is in this answer and nowhere else")
async def post_key(platform: ThePlatform, person: Person, body: KeyIn) -> NewKey:
    return await create_key(platform, person, body.name, expires_days=body.expires_days, user=body.user)


@router.delete("/{id}", status_code=204, summary="Remove an API key")
async def delete_key(platform: ThePlatform, person: Person, id: NamePath) -> None:
    await remove_key(platform, person, id)
