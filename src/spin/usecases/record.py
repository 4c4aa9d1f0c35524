"""Writing an admitted stack down, or showing what that would change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from spin.model.principal import Principal
from spin.model.revision import Deployment, Origin, Revision, ServiceWish
from spin.plan import compare
from spin.ports.store import UnitOfWork
from spin.usecases.admission import Candidate, Current, secret_versions
from spin.usecases.views import Accepted, Preview, accepted


async def preview(work: UnitOfWork, candidate: Candidate, current: Current) -> Preview:
    """What `record` would do."""
    versions = await secret_versions(work, candidate)
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=versions)
    return Preview(changes, candidate.findings, changes.empty, current.generation)


async def record(
    work: UnitOfWork,
    principal: Principal,
    candidate: Candidate,
    current: Current,
    *,
    origin: Origin,
    now: datetime,
    note: str = "",
    run: bool = True,
) -> Accepted:
    """Append the revision and point the deployment at it, within the caller's write transaction.

    Where nothing differs from the desired state there is no new revision. `run`: services that were stopped run again, as after
    `docker compose up`. Raises Conflict when somebody else was faster.
    """
    key = candidate.key
    versions = dict(await secret_versions(work, candidate))
    for name, value in sorted(candidate.secrets.items()):
        info = await work.add_secret(key.project, key.environment, name, value, principal.user, now)
        versions[name] = info.version
    pairs = tuple(sorted(versions.items()))
    changes = compare(current.spec, candidate.spec, old_secrets=current.secret_versions, new_secrets=pairs)
    old = current.deployment
    number = old.revision if old is not None else 0
    same = current.revision is not None and current.spec == candidate.spec and current.secret_versions == pairs
    if not same:
        number += 1  # the desired revision is the newest: every verb appends
        revision = Revision(number, candidate.spec, pairs, principal.user, now, origin, candidate.findings, note)
    if old is None:
        deployment = Deployment(key, generation=1, revision=number, created=now, changed=now)
        await work.add_deployment(deployment)
    else:
        deployment = _pointed(old, candidate, number, run=run)
        if deployment != old:
            deployment = await work.save_deployment(replace(deployment, changed=now))
    if not same:
        await work.add_revision(key, revision)
    return accepted(deployment, changes, candidate.findings)


def _pointed(old: Deployment, candidate: Candidate, revision: int, *, run: bool) -> Deployment:
    """The deployment at that revision; wishes for services that are gone are dropped."""
    kept = (w for w in old.wishes if candidate.spec.service(w.service) is not None)
    wishes = (replace(w, stopped=False) if run else w for w in kept)
    return replace(old, revision=revision, wishes=tuple(w for w in wishes if w != ServiceWish(w.service)))
