"""Review of Dockerfiles. Pure: text to a model (`parse`, with BuildKit's own parser), and rules, one a file, over the model.

Nothing that is found here stops a change: a Dockerfile is the workstation's, and the platform judges images. A site may make a rule a
refusal, which then is `spin check`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType

from spin.dockerfile.model import Dockerfile
from spin.dockerfile.notices import INVALID, NOTICES
from spin.dockerfile.parse import parse
from spin.dockerfile.rule import Base, Case, Rule
from spin.dockerfile.rules import RULES
from spin.model.finding import Description, Finding

DESCRIPTIONS: tuple[Description, ...] = (*RULES, *NOTICES)
"""All that can be found, in this order."""
MOST_FINDINGS = 50
"""Most findings of one rule: more help nobody."""


def review(case: Case, service: str | None = None, severities: Mapping[str, str] = MappingProxyType({})) -> tuple[Finding, ...]:
    """Every finding about a Dockerfile; `service` is the one whose `build` names it. `severities`: the site's, by code."""
    return tuple(
        finding for rule in RULES for finding in islice(rule.findings(case, service, severities.get(rule.code)), MOST_FINDINGS)
    )


__all__ = ["DESCRIPTIONS", "INVALID", "RULES", "Base", "Case", "Dockerfile", "Rule", "parse", "review"]
