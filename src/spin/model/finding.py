"""Findings: what the audit says of a stack, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """REFUSE stops the change; WARN and ADVISE are shown and stored with the revision."""

    REFUSE = "refuse"
    WARN = "warn"
    ADVISE = "advise"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one place: which rule, where, what is wrong, and what to write instead."""

    rule: str
    """Stable code of the rule, such as `privileged`."""
    severity: Severity
    message: str
    instead: str = ""
    service: str | None = None
    key: str | None = None
    """Path in the Compose document, such as `services.web.privileged`."""
    position: str | None = None
    """`file:line` where known."""
