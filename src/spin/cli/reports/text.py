"""Findings for people: grouped by what they mean for the change, each with its place, its rule, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spin.cli.tables import clean
from spin.rules import catalogue, page_name

GROUPS = {"refuse": "Refused", "warn": "Warnings", "advise": "Advice"}


def render(findings: Sequence[Mapping[str, Any]]) -> str:
    """Lines of text; nothing for no findings."""
    return "\n".join(_lines(findings))


def _lines(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    known = catalogue()
    explained: set[str] = set()
    severities = dict.fromkeys([*GROUPS, *(str(f.get("severity")) for f in findings)])
    begun = False
    for severity in severities:
        group = [f for f in findings if str(f.get("severity")) == severity]
        if not group:
            continue
        if begun:
            yield ""
        begun = True
        yield f"{clean(GROUPS.get(severity, severity))}:"
        for finding in group:
            rule = str(finding.get("rule") or "rule")
            where = [str(finding[name]) for name in ("position", "key") if finding.get(name)] or [
                str(finding.get("service") or "")
            ]
            yield "  " + clean("  ".join(part for part in (*where, rule) if part))
            yield f"    {clean(str(finding.get('message', '')))}"
            if finding.get("instead"):
                yield f"    → {clean(str(finding['instead']))}"
            if rule in known and rule not in explained:
                explained.add(rule)
                yield f"    {page_name(rule)}"
