"""Users of the site."""

from __future__ import annotations

from fastapi import APIRouter

from spin.api.context import PREFIX, NamePath, Person, ThePlatform
from spin.api.schemas import IdentityIn, UserIn
from spin.ports.store import User
from spin.usecases.identities import set_identity
from spin.usecases.users import create_user, list_users

router = APIRouter(prefix=PREFIX + "/users", tags=["users"])


@router.get("", summary="All users (operators)")
async def get_users(platform: ThePlatform, person: Person) -> tuple[User, ...]:
    return await list_users(platform, person)


@router.post("", status_code=201, summary="Make a user (operators)")
async def post_user(platform: ThePlatform, person: Person, body: UserIn) -> User:
    return await create_user(platform, person, body.name, password=body.password, operator=body.operator)


@router.put("/{user}/identity", summary="Say who a user is on the site's filesystems (operators)")
async def put_identity(platform: ThePlatform, person: Person, user: NamePath, body: IdentityIn) -> User:
    return await set_identity(platform, person, user, body.value())


@router.delete("/{user}/identity", summary="Take a user's identity on the site's filesystems away (operators)")
async def delete_identity(platform: ThePlatform, person: Person, user: NamePath) -> User:
    return await set_identity(platform, person, user, None)
