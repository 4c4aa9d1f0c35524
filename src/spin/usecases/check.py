"""Check a Compose document against the site's rules, without deploying it."""

from __future__ import annotations

from dataclasses import dataclass

from spin.access import Action
from spin.errors import Conflict, EngineUnavailable, NotFound, Refused
from spin.model.finding import Finding, Severity
from spin.model.principal import Principal
from spin.model.submission import Submission
from spin.policy.beyond import ENGINE_UNREACHABLE
from spin.usecases.admission import admit, examine, target
from spin.usecases.platform import Platform


@dataclass(frozen=True, slots=True)
class Checked:
    findings: tuple[Finding, ...]
    ok: bool
    """No finding stops it. An engine that does not answer is a warning here: `up` needs it, the document does not."""


async def check(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, submission: Submission
) -> Checked:
    """Every finding, those that would stop `up` among them.

    Raises InvalidInput for a document that cannot be read, and RegistryUnavailable.
    """
    async with platform.store.begin() as work:
        key, current = await target(platform, work, principal, Action.READ, project, environment, stack)
    candidate = await examine(platform, principal, key, submission, current)
    try:
        async with platform.store.begin() as work:
            await admit(work, platform, principal, candidate)
    except (Refused, NotFound, Conflict) as error:
        if "findings" not in error.fields:
            raise
        findings = tuple(Finding(**{**f, "severity": Severity(f["severity"])}) for f in error.fields["findings"])
        return Checked(findings, ok=False)
    except EngineUnavailable as error:
        unsure = ENGINE_UNREACHABLE.finding(error.message)
        return Checked((*candidate.findings, unsure), ok=True)
    return Checked(candidate.findings, ok=True)
