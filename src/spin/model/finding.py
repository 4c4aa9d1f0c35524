"""Findings: what the audit says of a stack, all at once; and the descriptions of what can be found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from textwrap import dedent
from typing import ClassVar


class Severity(Enum):
    """REFUSE stops the change; WARN and ADVISE are shown and stored with the revision."""

    REFUSE = "refuse"
    WARN = "warn"
    ADVISE = "advise"


SEVERITY = "severity"
"""The setting of a site file that says how severe a rule is."""
OFF = "off"
"""Its value for a rule that is not looked at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one place: which rule, where, what is wrong, and what to write instead.

    Made by `Description.finding`, so that no finding has a code without a page.
    """

    rule: str
    """Stable code of the rule, such as `privileged`."""
    severity: Severity
    message: str
    instead: str = ""
    service: str | None = None
    key: str | None = None
    """Path in the Compose document, such as `services.web.privileged`."""
    position: str | None = None
    """`file:line` where known; `file:line:column` where that is known too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a code means: its page in docs/rules, made by scripts/reference.py, and what `spin check --explain` prints.

    Texts may be indented as the code around them is.
    """

    adjustable: ClassVar[bool] = False
    """A site file may say how severe it is, as far as `optional` allows."""

    code: str
    """Stable, in kebab-case: findings, site files and people refer to it."""
    severity: Severity
    title: str
    """The rule in one line, without a full stop."""
    why: str
    """The reason, a paragraph as a colleague would say it, with its source where it has one. Markdown."""
    example: str
    """A smallest Compose file that is found fault with."""
    fixed: str
    """The same, mended: no finding of this code."""
    site: str = ""
    """A site file under which `example` and `fixed` are judged, where the default site would not do."""
    language: str = "yaml"
    """Of `example` and `fixed`: `yaml` for a Compose file, `dockerfile` for a Dockerfile."""
    optional: bool = False
    """Of a refusal: a site may make it weaker or switch it off, since it protects neither the host nor other people's stacks.
    Warnings and advice may always be changed."""

    def __post_init__(self) -> None:
        for name in ("example", "fixed", "site"):
            text = dedent(getattr(self, name)).strip("\n")
            object.__setattr__(self, name, text + "\n" if text else "")
        object.__setattr__(self, "why", " ".join(self.why.split()))

    def finding(
        self,
        message: str,
        instead: str = "",
        *,
        service: str | None = None,
        key: str | None = None,
        position: str | None = None,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding of this code; `severity` where the site has another one for it."""
        return Finding(self.code, severity or self.severity, message, instead, service, key, position)
