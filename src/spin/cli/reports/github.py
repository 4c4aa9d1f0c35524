"""Findings as workflow commands of GitHub Actions, which shows them beside the lines of a change.

The form and its escapes are those of the Actions toolkit (`@actions/core`, command.ts): in the message `%`, CR and LF, in a
property also `:` and `,`. Without them a text in a Compose file could end the command and begin another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spin.cli.reports.place import place_of
from spin.cli.tables import clean

_COMMANDS = {"refuse": "error", "warn": "warning", "advise": "notice"}
_IN_MESSAGE = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(findings: Sequence[Mapping[str, Any]], *, file: str | None = None) -> str:
    """One command a finding and line. `file` is where those are that say no place."""
    return "\n".join(_command(finding, file) for finding in findings)


def _command(finding: Mapping[str, Any], file: str | None) -> str:
    properties: dict[str, object] = {}
    place = place_of(finding.get("position"), file)
    if place is not None:
        properties = {"file": place.file, "line": place.line, "col": place.column}
    properties["title"] = finding.get("rule") or "rule"
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    message = f"{finding.get('message', '')}\n{finding.get('instead') or ''}".strip()
    return f"::{_COMMANDS.get(str(finding.get('severity')), 'notice')} {written}::{_message(message)}"


def _message(text: str) -> str:
    return "%0A".join(clean(line.translate(_IN_MESSAGE)) for line in text.split("\n"))


def _property(text: str) -> str:
    return clean(text.translate(_IN_PROPERTY))
