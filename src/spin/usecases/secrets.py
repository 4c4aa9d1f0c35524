"""Secrets: list, write, remove. A value goes in and never comes out again."""

from __future__ import annotations

import re

from spin.access import Action
from spin.errors import Conflict, InvalidInput, NotFound
from spin.model.names import ProjectName
from spin.model.principal import Principal
from spin.model.revision import Goal
from spin.ports.store import SecretInfo, UnitOfWork
from spin.usecases.journal import accepted_change, audited
from spin.usecases.platform import Platform
from spin.usecases.rights import allow

LARGEST = 1024 * 1024
"""Bytes of one secret: what Kubernetes takes, so that a stack fits any engine."""
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}", re.ASCII)


async def list_secrets(platform: Platform, principal: Principal, project: str, environment: str) -> tuple[SecretInfo, ...]:
    """The newest version of each, without values."""
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
        return await work.secrets(name, platform.environment(environment).name)


@audited("secret create")
async def put_secret(
    platform: Platform, principal: Principal, project: str, environment: str, secret: str, value: bytes
) -> SecretInfo:
    """Store a value as the newest version. Running stacks keep the version of their revision until they are brought up again.

    Raises InvalidInput for a name or size that will not do.
    """
    check_secret(secret, value)
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.SECRETS, project)
        where = platform.environment(environment).name
        now = platform.clock.now()
        info = await work.add_secret(name, where, secret, value, principal.user, now)
        if info.created == now:
            text = f"version {info.version} of the secret {secret}"
            await accepted_change(work, principal, "secret create", text, now, project=name, environment=where)
        return info


@audited("secret rm")
async def remove_secret(platform: Platform, principal: Principal, project: str, environment: str, secret: str) -> None:
    """Remove all versions. Raises NotFound, and Conflict while a stack uses it, naming the stacks."""
    async with platform.store.begin(write=True) as work:
        name = await allow(work, principal, Action.SECRETS, project)
        where = platform.environment(environment).name
        users = await _users(work, name, where, secret)
        if users:
            raise Conflict(
                f"The secret {secret!r} is used in {where} by {', '.join(users)}: remove it from there first.",
                secret=secret,
                environment=where,
                stacks=users,
            )
        if not _NAME.fullmatch(secret) or not await work.remove_secret(name, where, secret):
            raise NotFound(f"There is no secret {secret!r} in {where} of project {name!r}.", secret=secret, environment=where)
        text = f"the secret {secret} is removed"
        await accepted_change(work, principal, "secret rm", text, platform.clock.now(), project=name, environment=where)


async def _users(work: UnitOfWork, project: ProjectName, environment: str, secret: str) -> list[str]:
    """The stacks whose desired state needs the secret, or what they could be rolled back to."""
    wanted = {d.key for d in await work.deployments(project, environment) if d.goal is Goal.RUNNING}
    desired = await work.desired_revisions(project, environment)
    bases = await work.base_revisions(project, environment)
    users = {
        key.stack
        for key, revision in (*desired.items(), *bases.items())
        if key in wanted and any(stored == secret for stored, _ in revision.secret_versions)
    }
    return sorted(users)


def check_secret(name: str, value: bytes) -> None:
    """Raises InvalidInput for a secret that cannot be stored."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of a secret: use at most 128 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit.",
            name=name,
        )
    if len(value) > LARGEST:
        raise InvalidInput(f"The secret {name!r} has {len(value)} bytes; at most {LARGEST} can be stored.", secret=name)
