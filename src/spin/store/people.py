"""Users, their API keys, projects, memberships and collaboration accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select, update

from spin.errors import Conflict, NotFound
from spin.model.names import ProjectName
from spin.model.principal import Identity, Principal, Role
from spin.ports.store import Account, ApiKey, Member, User
from spin.store.codec import decode, encode
from spin.store.rows import Rows, named
from spin.store.schema import accounts, api_keys, members, projects, users

_PERSON = (users.c.operator, users.c.uid, users.c.gid, users.c.gids, members.c.project, members.c.role)
# What every request asks for.
_PRINCIPAL = select(*_PERSON).outerjoin_from(users, members, members.c.user == users.c.name).where(named(users, "name"))
_HOLDER = (
    select(api_keys, *_PERSON)
    .join_from(api_keys, users, users.c.name == api_keys.c.user)
    .outerjoin(members, members.c.user == users.c.name)
    .where(named(api_keys, "id"))
)
_PROJECT = select(projects.c.name).where(named(projects, "name"))


class People(Rows):
    """That part of a `spin.ports.store.UnitOfWork`."""

    async def users(self) -> tuple[User, ...]:
        return tuple(sorted((_user(row) for row in await self._all(select(users))), key=lambda u: u.name))

    async def user(self, name: str) -> User | None:
        row = await self._first(select(users).where(users.c.name == name))
        return None if row is None else _user(row)

    async def add_user(self, user: User, password_hash: str | None) -> None:
        values = {"name": user.name, "operator": user.operator, "created": user.created, "password_hash": password_hash}
        if not await self._add(users, values):
            raise Conflict(f"There is a user {user.name!r} already.", user=user.name)
        if user.identity is not None:
            await self.set_identity(user.name, user.identity)

    async def set_identity(self, user: str, identity: Identity | None) -> None:
        if identity is not None:
            await self._free(identity.uid, user=user)
        values = {"uid": None, "gid": None, "gids": None} if identity is None else _values(identity)
        if not await self._change(update(users).where(users.c.name == user).values(values).returning(users.c.name)):
            raise NotFound(f"There is no user {user!r}.", user=user)

    async def password_hash(self, user: str) -> str | None:
        row = await self._first(select(users.c.password_hash).where(users.c.name == user))
        return None if row is None else row.password_hash

    async def principal(self, user: str, key: str | None = None) -> Principal | None:
        found = await self._all(_PRINCIPAL, name=user)
        return _principal(user, found, key) if found else None

    async def add_key(self, key: ApiKey, secret_hash: str) -> None:
        """Raises Conflict when the identifier is taken."""
        values = {
            "id": key.id,
            "user": key.user,
            "name": key.name,
            "secret_hash": secret_hash,
            "created": key.created,
            "expires": key.expires,
            "last_used": key.last_used,
        }
        if not await self._add(api_keys, values):
            raise Conflict(f"There is an API key {key.id!r} already.", key=key.id)

    async def keys(self, user: str) -> tuple[ApiKey, ...]:
        """Oldest first."""
        found = await self._all(select(api_keys).where(api_keys.c.user == user))
        return tuple(sorted((_key(row) for row in found), key=lambda k: (k.created, k.id)))

    async def key(self, id: str) -> tuple[ApiKey, str] | None:
        row = await self._first(select(api_keys).where(api_keys.c.id == id))
        return None if row is None else (_key(row), row.secret_hash)

    async def key_holder(self, id: str) -> tuple[ApiKey, str, Principal] | None:
        found = await self._all(_HOLDER, id=id)
        return (_key(found[0]), found[0].secret_hash, _principal(found[0].user, found, id)) if found else None

    async def touch_key(self, id: str, when: datetime) -> None:
        await self._change(update(api_keys).where(api_keys.c.id == id).values(last_used=when))

    async def remove_key(self, user: str, id: str) -> bool:
        mine = (api_keys.c.id == id) & (api_keys.c.user == user)
        return bool(await self._change(delete(api_keys).where(mine).returning(api_keys.c.id)))

    async def projects(self) -> tuple[str, ...]:
        return tuple(sorted(row.name for row in await self._all(select(projects.c.name))))

    async def has_project(self, project: str) -> bool:
        return await self._first(_PROJECT, name=project) is not None

    async def add_project(self, project: str, when: datetime) -> None:
        if not await self._add(projects, {"name": project, "created": when}):
            raise Conflict(f"There is a project {project!r} already.", project=project)

    async def members(self, project: str) -> tuple[Member, ...]:
        found = await self._all(select(members).where(members.c.project == project))
        return tuple(sorted((Member(row.user, Role(row.role)) for row in found), key=lambda m: m.user))

    async def set_member(self, project: str, user: str, role: Role | None) -> None:
        """Raises NotFound where there is no such project or user."""
        if role is None:
            await self._change(delete(members).where((members.c.project == project) & (members.c.user == user)))
            return
        if not await self.has_project(project):
            raise NotFound(f"There is no project {project!r}.", project=project)
        if await self._first(select(users.c.name).where(users.c.name == user)) is None:
            raise NotFound(f"There is no user {user!r}.", user=user)
        await self._put(members, {"project": project, "user": user, "role": role.value})

    async def identities(self, project: str) -> tuple[tuple[Member, Identity], ...]:
        joined = select(members.c.user, members.c.role, users.c.uid, users.c.gid, users.c.gids).join_from(members, users)
        found = await self._all(joined.where(members.c.project == project))
        pairs = ((Member(row.user, Role(row.role)), _identity(row)) for row in sorted(found, key=lambda r: r.user))
        return tuple((member, identity) for member, identity in pairs if identity is not None)

    async def accounts(self, project: str) -> tuple[Account, ...]:
        found = await self._all(select(accounts).where(accounts.c.project == project))
        return tuple(sorted((_account(row) for row in found), key=lambda a: a.name))

    async def set_account(self, project: str, account: Account) -> None:
        """Raises NotFound where there is no such project."""
        if not await self.has_project(project):
            raise NotFound(f"There is no project {project!r}.", project=project)
        await self._free(account.identity.uid, account=(project, account.name))
        await self._put(accounts, {"project": project, "name": account.name, **_values(account.identity)})

    async def remove_account(self, project: str, name: str) -> bool:
        this = (accounts.c.project == project) & (accounts.c.name == name)
        return bool(await self._change(delete(accounts).where(this).returning(accounts.c.name)))

    async def _free(self, uid: int, *, user: str | None = None, account: tuple[str, str] | None = None) -> None:
        """Raises Conflict when the uid is anybody's but the one it is for. Writers come one after the other, so this leaves no gap."""
        holder = await self._first(select(users.c.name).where(users.c.uid == uid))
        if holder is not None and holder.name != user:
            raise Conflict(f"The uid {uid} is that of user {holder.name!r} already.", uid=uid)
        taken = await self._first(select(accounts.c.project, accounts.c.name).where(accounts.c.uid == uid))
        if taken is not None and (taken.project, taken.name) != account:
            raise Conflict(f"The uid {uid} is that of account {taken.name!r} of project {taken.project!r} already.", uid=uid)


def _user(row: Row[Any]) -> User:
    return User(row.name, row.operator, row.created, _identity(row))


def _account(row: Row[Any]) -> Account:
    return Account(row.name, Identity(row.uid, row.gid, decode(tuple[int, ...], row.gids)))


def _identity(row: Row[Any]) -> Identity | None:
    return None if row.uid is None else Identity(row.uid, row.gid, decode(tuple[int, ...], row.gids))


def _values(identity: Identity) -> dict[str, Any]:
    return {"uid": identity.uid, "gid": identity.gid, "gids": encode(identity.gids)}


def _principal(user: str, rows: Sequence[Row[Any]], key: str | None) -> Principal:
    """Of rows with a membership each, or one without any."""
    memberships = sorted((ProjectName(row.project), Role(row.role)) for row in rows if row.project is not None)
    return Principal(user, rows[0].operator, tuple(memberships), key, _identity(rows[0]))


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(row.id, row.user, row.name, row.created, row.expires, row.last_used)
