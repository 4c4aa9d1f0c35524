"""What the rules are told beside the document: who may run containers as whom, and what the engine's host says of mounted paths.

Whose account counts: who brings a file up decides what runs, so it is their own, or one of the project's. Who scales, copies or rolls back
repeats what was accepted from somebody who had the right; for them it is enough that the account is, today, that of anybody who may
deploy in the project. So an operator can copy a stack to production, and an account that was taken away ends with the next change. An
operator may give accounts to anybody, hence also bring up what runs as a member. What the platform does by itself (healing, an
upgrade's way back) repeats a revision that is still wanted, and is not asked again.
"""

from __future__ import annotations

from spin.access import Action, can
from spin.errors import EngineUnavailable
from spin.model.names import DeploymentKey
from spin.model.paths import PathFacts
from spin.model.principal import Principal, Role
from spin.model.stack import StackSpec
from spin.policy import Ground, Runner
from spin.ports.store import UnitOfWork
from spin.usecases.platform import Platform


async def ground_of(
    platform: Platform, principal: Principal, key: DeploymentKey, spec: StackSpec, *, repeats: bool = False
) -> Ground:
    """The ground for `spec`. `repeats`: it is what was accepted before, or changed in numbers only."""
    binds = [bind for service in spec.services for bind in service.binds]
    if not binds:
        return Ground(environment=key.environment)
    async with platform.store.begin() as work:
        runners = await _runners(work, principal, key, everybody=repeats or principal.operator)
    mounted = {b.source: f.path for b in binds if (f := platform.site.filesystem(b.source)) is not None}
    paths = sorted({*mounted, *mounted.values()})
    try:
        facts = await platform.engine(key.environment).look(paths) if paths else {}
    except EngineUnavailable as error:
        facts = {path: PathFacts(path, unknown=error.message) for path in paths}
    return Ground(environment=key.environment, runners=runners, paths=facts)


async def _runners(work: UnitOfWork, principal: Principal, key: DeploymentKey, *, everybody: bool) -> tuple[Runner, ...]:
    found = [] if principal.identity is None else [Runner("your own account", principal.identity)]
    found += [Runner(f"account {a.name} of the project", a.identity) for a in await work.accounts(key.project)]
    if everybody:
        for member, identity in await work.identities(key.project):
            if member.user != principal.user and _may_deploy(key, member.user, member.role):
                found.append(Runner(f"the account of {member.user}", identity))
    return tuple(found)


def _may_deploy(key: DeploymentKey, user: str, role: Role) -> bool:
    return can(Principal(user, memberships=((key.project, role),)), Action.DEPLOY, key.project)
