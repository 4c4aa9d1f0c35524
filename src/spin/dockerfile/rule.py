"""What a rule about Dockerfiles sees, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar

from spin.dockerfile.model import Dockerfile
from spin.kit.text import plain
from spin.model.finding import OFF, Description, Finding, Severity


@dataclass(frozen=True, slots=True)
class Base:
    """What is known of an image that a Dockerfile is built on."""

    created: date | None = None
    """When it was built."""
    user: str | None = None
    """As whom it runs; empty: root. None: not known."""


@dataclass(frozen=True, slots=True)
class Case:
    """A Dockerfile with what stands around it."""

    dockerfile: Dockerfile
    today: date
    bases: Mapping[str, Base] = field(default_factory=dict)
    """What is known of base images, by the name that FROM gives them."""
    ignores: bool = False
    """There is a `.dockerignore` for the build's context."""
    healthcheck: bool = False
    """The Compose file has a health check for the service."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a rule is broken. `values` fill the gaps in the rule's message and advice; never a secret's value."""

    line: int
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Description):
    """One rule. `message` says what is wrong and `instead` what to write; both may have gaps such as `{image}`."""

    adjustable: ClassVar[bool] = True

    message: str
    instead: str
    find: Callable[[Case], Iterable[Spot]]
    language: str = "dockerfile"

    def findings(self, case: Case, service: str | None = None, severity: str | None = None) -> Iterator[Finding]:
        """What it finds. `severity`: the site's for this rule, else its own."""
        if severity == OFF:
            return
        judged = self if severity is None else replace(self, severity=Severity(severity))
        for spot in self.find(case):
            values = {key: plain(str(value)) for key, value in spot.values.items()}
            yield judged.finding(
                self.message.format(**values),
                self.instead.format(**values),
                service=service,
                key=None if service is None else f"services.{plain(service)}.build",
                position=f"{plain(case.dockerfile.file, 240)}:{spot.line}",
            )
