"""Findings as text for people and as the formats of other programs: one pure renderer a module.

A finding comes as its JSON form (`spin.model.finding.Finding`), from the platform or from here. Its texts hold parts of the user's
file, so each renderer escapes them in the way of its format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from spin.cli.reports import github, sarif, text

FindingJson: TypeAlias = Mapping[str, Any]


class Format(Enum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def render(findings: Sequence[FindingJson], form: Format, *, file: str | None = None, pages: str | None = None) -> str:
    """The findings in that format, without a line break at the end. `file` is where those are that say no place; at `pages` a browser
    finds the rules' pages.
    """
    match form:
        case Format.TEXT:
            return text.render(findings)
        case Format.GITHUB:
            return github.render(findings, file=file)
        case Format.SARIF:
            return sarif.render(findings, file=file, pages=pages)
        case Format.JSON:
            ok = all(f.get("severity") != "refuse" for f in findings)
            return json.dumps({"findings": list(findings), "ok": ok}, indent=2, ensure_ascii=False)
