"""Export: the desired state as a Compose file."""

from __future__ import annotations

from dataclasses import dataclass

from spin.access import Action
from spin.compose import render
from spin.model.principal import Principal
from spin.usecases.platform import Platform
from spin.usecases.rights import find, no_stack


@dataclass(frozen=True, slots=True)
class Export:
    files: dict[str, str]
    """Contents by file name."""
    missing_secrets: tuple[str, ...]
    """Stored names of the secrets that the file needs; their values are never exported."""


async def export(platform: Platform, principal: Principal, project: str, environment: str, stack: str) -> Export:
    """The stack's desired revision, with images pinned; secrets stand in it as external. Raises NotFound."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.READ, project, environment, stack)
        revision = await work.revision(deployment.key, deployment.revision)
    if revision is None:
        raise no_stack(deployment.key)
    text = render(revision.spec, external_secrets=True)
    return Export({"compose.yaml": text}, tuple(sorted({s.stored for s in revision.spec.secrets})))
